"""The commands about one job: status, describe, log, cancel, delete."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.core.cli.support import TORCHX, Cli, FarJobs, environment, eventually
from torchx.cli.cmd_log import find_role_replicas, get_logs, validate
from torchx.errors import UsageError
from torchx.runner import get_runner
from torchx.schedulers.api import Stream
from torchx.specs import AppDef, Role

if TYPE_CHECKING:
    from pathlib import Path

SH = ["utils.sh", "sh", "-c"]
COMMANDS = ["status", "describe", "cancel", "delete", "log"]


@pytest.fixture
def echo(cli: Cli) -> str:
    """The handle of a local job that has ended."""
    done = cli("run", *SH, "echo to stdout; echo to stderr >&2")
    assert done.code == 0
    return done.lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_job_is_status_1(cli: Cli, command: str) -> None:
    done = cli(command, "local_cwd://torchx/no-such-job")
    assert (done.code, done.out) == (1, "")
    assert "there is no job `local_cwd://torchx/no-such-job`" in done.error
    assert "torchx list -s local_cwd" in done.hint


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_job_is_told_with_the_nearest_handle(cli: Cli, echo: str, command: str) -> None:
    other = "z" if echo[-3] == "x" else "x"
    for wrong in (echo[:-1], f"{echo[:-3]}{other}{echo[-2:]}", f"{echo}2"):
        done = cli(command, wrong)
        assert (done.code, done.out) == (1, "")
        assert done.hint.startswith(f"did you mean `{echo}`? `torchx list -s local_cwd`")


def test_jobs_that_merely_share_a_name_are_not_suggested(cli: Cli, echo: str) -> None:
    assert "did you mean" not in cli("status", "local_cwd://torchx/sh-zzzzzzzzzzzzz").hint


@pytest.mark.parametrize("trouble", ["FAR_DOWN", "FAR_HANGS"])
def test_a_backend_that_lists_nothing_adds_no_trouble(
    cli: Cli, far: FarJobs, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    handle = far.add("experiment")
    assert cli("status", f"{handle}x").hint.startswith(f"did you mean `{handle}`?")
    monkeypatch.setattr("torchx.cli.nearest_jobs.MAX_SECONDS", 0.2)
    monkeypatch.setenv(trouble, "1")
    done = cli("status", f"{handle}x")
    assert (done.code, done.error) == (
        1,
        f"there is no job `{handle}x`: it never existed, or its scheduler has forgotten it",
    )
    assert done.hint == "`torchx list -s far` shows the jobs that far knows"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("handle", ["x", "a/b/c", "local_cwd:/a/b", "://a/b", "local_cwd://", "local_cwd://a", ""])
def test_a_malformed_handle_is_status_2(cli: Cli, command: str, handle: str) -> None:
    done = cli(command, handle)
    assert (done.code, done.out) == (2, "")
    assert f"`{handle}`" in done.error
    assert "SCHEDULER://SESSION/APP_ID" in done.hint


@pytest.mark.parametrize("command", COMMANDS)
def test_the_handle_of_an_unknown_scheduler_names_the_nearest(cli: Cli, command: str) -> None:
    done = cli(command, "local_cdw://torchx/a")
    assert done.code == 2
    assert "`local_cdw`" in done.error
    assert done.hint.startswith("did you mean `local_cwd`")


def test_status_tells_states_and_hosts(cli: Cli, far: FarJobs) -> None:
    handle = far.add("j", trainer=2, reader=1)
    done = cli("status", handle)
    assert done.code == 0
    assert done.lines[0] == handle
    assert "state:    RUNNING" in done.out
    assert [line.split() for line in done.lines[-3:]] == [
        ["trainer/0", "RUNNING", "node0"],
        ["trainer/1", "RUNNING", "node1"],
        ["reader/0", "RUNNING", "node0"],
    ]


def test_status_of_some_roles(cli: Cli, far: FarJobs) -> None:
    handle = far.add("j", trainer=2, reader=1)
    done = cli("status", "--roles", "reader", handle)
    assert "reader/0" in done.out
    assert "trainer/" not in done.out
    assert {role["role"] for role in cli("status", "--json", "--roles", "reader, trainer", handle).json()["roles"]} == {
        "reader",
        "trainer",
    }
    wrong = cli("status", "--roles", "raeder", handle)
    assert (wrong.code, wrong.error) == (2, "the job has no role `raeder`")
    assert wrong.hint.startswith("did you mean `reader`")


def test_status_as_json(cli: Cli, far: FarJobs) -> None:
    record = cli("status", "--json", far.add("j")).json()
    assert (record["app_handle"], record["state"]) == ("far://torchx/j", "RUNNING")


def test_status_tells_the_error_that_a_replica_reported(cli: Cli, workdir: Path) -> None:
    error = {
        "message": {
            "message": "ValueError: loss is nan, token=canary-token",
            "extraInfo": {"py_callstack": "Traceback\n  file 7"},
        }
    }
    (workdir / "error.json").write_text(json.dumps(error))
    done = cli("run", *SH, "cp error.json $TORCHELASTIC_ERROR_FILE; exit 1")
    assert done.code == 1
    told = cli("status", done.lines[0])
    for text in (done.err, told.out, cli("status", "--json", done.lines[0]).out):
        assert "ValueError: loss is nan" in text
        assert "file 7" in text
        assert "canary-token" not in text


def test_states_are_coloured_on_a_terminal(far: FarJobs) -> None:
    child = pexpect.spawn(
        TORCHX[0], [*TORCHX[1:], "status", far.add("j", "FAILED")], env=environment(), encoding="utf-8", timeout=30
    )
    child.expect(pexpect.EOF)
    assert "state:    \x1b[31mFAILED\x1b[0m" in str(child.before)
    assert "  a/0  \x1b[31mFAILED\x1b[0m  node0" in str(child.before)


def test_describe_as_text_and_json(cli: Cli, echo: str) -> None:
    text = cli("describe", echo).out
    assert "roles:\n  - name: sh\n" in text
    record = cli("describe", "--json", echo).json()
    assert record["roles"][0]["num_replicas"] == 1


def test_describe_masks_secrets(cli: Cli, workdir: Path) -> None:
    done = cli("run", "utils.sh", "--env", "MY_TOKEN=canary-token", "true", "--password=canary-args")
    assert done.code == 0, done.err
    for form in ([], ["--json"]):
        assert "canary" not in cli("describe", *form, done.lines[0]).out
        shown = cli("describe", "--show-secrets", *form, done.lines[0]).out
        assert "canary-token" in shown
        assert "canary-args" in shown


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        ([], ["sh/0 to stderr", "sh/0 to stdout"]),
        (["--streams", "combined"], ["sh/0 to stderr", "sh/0 to stdout"]),
        (["--streams", "stdout"], ["sh/0 to stdout"]),
        (["--streams=stderr"], ["sh/0 to stderr"]),
    ],
    ids=["default", "combined", "stdout", "stderr"],
)
def test_log_of_a_stream(cli: Cli, echo: str, streams: list[str], expected: list[str]) -> None:
    done = cli("log", *streams, echo)
    assert (done.code, sorted(done.lines)) == (0, expected)


def test_log_with_a_regular_expression(cli: Cli, echo: str) -> None:
    assert cli("log", "--regex", "std(out)$", echo).lines == ["sh/0 to stdout"]
    done = cli("log", "--regex", "std(", echo)
    assert done.code == 2
    assert "std(" in done.error


@pytest.mark.parametrize(
    ("path", "replicas"),
    [
        ("", ["a/0", "a/1", "a/2", "b/0"]),
        ("/", ["a/0", "a/1", "a/2", "b/0"]),
        ("/b", ["b/0"]),
        ("/a", ["a/0", "a/1", "a/2"]),
        ("/a/1", ["a/1"]),
        ("/a/0,2", ["a/0", "a/2"]),
        ("/a/2,2", ["a/2"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_log_of_some_replicas(cli: Cli, far: FarJobs, path: str, replicas: list[str]) -> None:
    done = cli("log", far.add("j", a=3, b=1) + path)
    assert sorted({line.split()[0] for line in done.lines}) == replicas
    assert len(done.lines) == 2 * len(replicas)


@pytest.mark.parametrize(
    ("path", "error", "hint"),
    [
        ("/trianer", "has no role `trianer`", "did you mean `trainer`?"),
        ("/trainer/2", "has no replica 2", "replicas 0 to 1"),
        ("/trainer/x", "malformed identifier", "SCHEDULER://SESSION/APP_ID"),
        ("/trainer/0,", "malformed identifier", "SCHEDULER://SESSION/APP_ID"),
        ("/trianer/0", "has no role `trianer`", "did you mean `trainer`?"),
        ("/data/trainer", "has no role `data/trainer`", "did you mean `trainer`?"),
        ("//trainer", "malformed identifier", "SCHEDULER://SESSION/APP_ID"),
    ],
    ids=["role", "replica", "number", "comma", "role of a replica", "role with a slash", "empty role"],
)
def test_log_of_what_is_not_there(cli: Cli, far: FarJobs, path: str, error: str, hint: str) -> None:
    done = cli("log", far.add("j", trainer=2) + path)
    assert (done.code, done.out) == (2, "")
    assert error in done.error
    assert hint in done.hint


@pytest.mark.parametrize(
    ("path", "replicas"),
    [
        ("/data/reader", ["data/reader/0", "data/reader/1"]),
        ("/data/reader/1", ["data/reader/1"]),
        ("/data/reader/0,1/", ["data/reader/0", "data/reader/1"]),
        ("/data", ["data/0", "data/1"]),
        ("/data/1", ["data/1"]),
        ("/data/1/0", ["data/1/0"]),
        ("/eu west/a b", ["eu west/a b/0"]),
        ("/eu west/a b/0", ["eu west/a b/0"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_log_of_roles_with_slashes_in_their_names(path: str, replicas: list[str], workdir: Path) -> None:
    counts = {"data": 2, "data/reader": 2, "data/1": 1, "eu west/a b": 1}
    roles = [Role(name, image=".", entrypoint="echo", args=["hi"], num_replicas=n) for name, n in counts.items()]
    with get_runner() as runner:
        handle = str(runner.run(AppDef("slashes", roles), "local_cwd"))
        runner.wait(handle, wait_interval=0.1)
        printed = io.StringIO()
        get_logs(printed, handle + path, None, runner=runner)
        assert sorted(printed.getvalue().splitlines()) == [f"{replica} hi" for replica in replicas]


def test_log_of_a_scheduler_without_logs(cli: Cli, far: FarJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_NO_LOGS", "1")
    done = cli("log", far.add("j"))
    assert (done.code, done.error) == (1, "the scheduler of `far://torchx/j` serves no logs")


def test_log_follows_all_replicas_until_they_end(cli: Cli, workdir: Path) -> None:
    script = "echo begins; until test -e go; do sleep 0.05; done; echo ends"
    handle = cli("run", "--no-wait", "utils.sh", "--num_replicas", "3", "sh", "-c", script).lines[0]
    child = pexpect.spawn(
        TORCHX[0], [*TORCHX[1:], "log", "-t", handle], env=environment(), encoding="utf-8", timeout=30
    )
    for _ in range(3):
        child.expect(r"\x1b\[32msh/\d\x1b\[0m begins")
    (workdir / "go").touch()
    for _ in range(3):
        child.expect(r"sh/\d\S* ends")
    child.expect(pexpect.EOF)
    child.wait()
    child.close()
    assert child.exitstatus == 0


def test_log_ended_by_ctrl_c_leaves_the_job(cli: Cli) -> None:
    handle = cli("run", "--no-wait", *SH, "echo begins; sleep 60").lines[0]
    child = pexpect.spawn(
        TORCHX[0], [*TORCHX[1:], "log", "--tail", handle], env=environment(), encoding="utf-8", timeout=30
    )
    child.expect("begins")
    child.sendintr()
    child.expect("interrupted")
    child.expect(pexpect.EOF)
    child.wait()
    child.close()
    assert child.exitstatus == 130
    assert "RUNNING" in cli("status", handle).out
    assert cli("cancel", handle).code == 0


def test_logs_into_a_text_stream(echo: str) -> None:
    text = io.StringIO()
    with get_runner() as runner:
        get_logs(text, f"{echo}/sh/0", None, runner=runner, streams=Stream.STDOUT)
    get_logs(text, echo, "stderr")
    assert text.getvalue() == "sh/0 to stdout\nsh/0 to stderr\n"


def test_identifiers_are_validated() -> None:
    validate("local_cwd://torchx/app/role/0,1")
    validate("local_cwd:///app")
    validate("local_cwd://torchx/app/a/role/0")
    for wrong in ("local_cwd://torchx", "no", "nope://torchx/app", "local_cwd://torchx/app//0"):
        with pytest.raises(UsageError):
            validate(wrong)


def test_replicas_of_an_app() -> None:
    app = AppDef("x", roles=[Role("a", "", num_replicas=2), Role("b", "")])
    assert find_role_replicas(app, None) == [("a", 0), ("a", 1), ("b", 0)]
    assert find_role_replicas(app, "a") == [("a", 0), ("a", 1)]
    assert find_role_replicas(app, "c") == []


def test_cancel_ends_a_job_and_says_so(cli: Cli) -> None:
    handle = cli("run", "--no-wait", "utils.sh", "sleep", "60").lines[0]
    done = cli("cancel", handle)
    assert (done.code, done.err) == (0, f"cancelled {handle}\n")
    eventually(lambda: "state:    CANCELLED" in cli("status", handle).out)
    again = cli("cancel", handle)
    assert (again.code, again.err) == (0, f"{handle} has ended already: CANCELLED\n")


def test_delete_removes_a_job(cli: Cli, far: FarJobs, echo: str) -> None:
    for handle in (far.add("j"), echo):
        done = cli("delete", handle)
        assert (done.code, done.err) == (0, f"deleted {handle}\n")
        assert cli("status", handle).code == 1


def test_logs_as_json(cli: Cli, far: FarJobs, echo: str) -> None:
    assert [json.loads(line) for line in cli("log", "--json", far.add("j", a=1, b=1)).lines] == [
        {"role": role, "replica": 0, "line": f"{role} 0 says {word}"} for role in "ab" for word in ("one", "two")
    ]
    assert [json.loads(line) for line in cli("log", "--json", "--streams=stdout", echo).lines] == [
        {"role": "sh", "replica": 0, "line": "to stdout", "stream": "stdout"}
    ]


def test_lines_in_json_are_those_that_were_written(cli: Cli) -> None:
    handle = cli("run", *SH, r"printf 'a\rb\n\n\302\205\377\nend'").lines[0]
    done = cli("log", "--json", handle)
    assert [json.loads(line)["line"] for line in done.lines] == ["a\rb", "", "\x85\ufffd", "end"]


def test_cancel_and_delete_as_json(cli: Cli, far: FarJobs) -> None:
    handle = far.add("j")
    assert cli("cancel", "--json", handle).json() == {"app_handle": handle, "cancelled": True}
    again = cli("cancel", "--json", handle)
    assert (again.json(), again.err) == ({"app_handle": handle, "cancelled": False, "state": "CANCELLED"}, "")
    done = cli("delete", "--json", handle)
    assert (done.json(), done.err) == ({"app_handle": handle, "deleted": True}, "")
