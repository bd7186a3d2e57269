"""``torchx run``: what is submitted, what is printed where, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.core.cli.support import TORCHX, Cli, FarJobs, Outcome, Site, alive, environment, eventually

if TYPE_CHECKING:
    from pathlib import Path

SH = ["utils.sh", "sh", "-c"]
JOB = """
from torchx.specs import AppDef, Resource, Role


def job(*words: str, key: str = "", url: str = "") -> AppDef:
    \"\"\"A job with secrets.\"\"\"
    role = Role(
        name="r",
        image="img",
        entrypoint="echo",
        args=[*words, "--api-key", key],
        env={"HF_TOKEN": "canary-env", "DB": url, "TOKENIZERS_PARALLELISM": "false"},
        resource=Resource(cpu=1, gpu=0, memMB=1),
        metadata={"nested": {"password": "canary-metadata"}},
    )
    return AppDef(name="secretive", roles=[role])


def many(num: int = 3) -> AppDef:
    \"\"\"A job of two roles.\"\"\"
    script = 'echo out; echo "multi é"; echo err >&2; printf unended'
    roles = [
        Role(name=n, image="", entrypoint="sh", args=["-c", script], num_replicas=num, resource=Resource(1, 0, 1))
        for n in ("a", "b")
    ]
    return AppDef(name="many", roles=roles)
"""


@pytest.fixture
def job_file(workdir: Path) -> str:
    (workdir / "job.py").write_text(JOB)
    return "job.py"


def handle_of(done: Outcome) -> str:
    handle = done.lines[0]
    assert "://torchx/" in handle
    return handle


def test_a_local_job_is_followed_to_its_end(cli: Cli) -> None:
    done = cli("run", "-s", "local_cwd", "utils.echo", "--msg", "hi there")
    handle = handle_of(done)
    assert (done.code, done.out) == (0, f"{handle}\n")
    assert handle.startswith("local_cwd://torchx/echo-")
    assert done.err.splitlines() == ["echo/0 hi there", f"{handle} SUCCEEDED"]


def test_the_local_scheduler_is_the_default(cli: Cli) -> None:
    assert handle_of(cli("run", "utils.echo")).startswith("local_cwd://")


def test_every_line_of_every_replica_has_its_prefix(cli: Cli, job_file: str) -> None:
    done = cli("run", f"{job_file}:many")
    replicas = [f"{role}/{k}" for role in "ab" for k in range(3)]
    lines = sorted(done.err.splitlines()[:-1])
    assert lines == sorted(f"{r} {text}" for r in replicas for text in ("out", "multi é", "err", "unended"))


def test_a_failed_job_is_told_with_its_reason_and_status_1(cli: Cli) -> None:
    done = cli("run", *SH, "exit 3")
    assert done.code == 1
    assert "state:    FAILED" in done.err
    assert "sh/0" in done.err


def test_component_arguments_are_handed_over_as_they_are(cli: Cli) -> None:
    done = cli("run", "utils.sh", "--", "printf", "%s\\n", "-e", "--dryrun", "--", "$HOME", "a,b=c")
    assert done.code == 0, done.err
    assert done.err.splitlines()[:-1] == ["sh/0 -e", "sh/0 --dryrun", "sh/0 --", "sh/0 $HOME", "sh/0 a,b=c"]


def test_help_of_a_component(cli: Cli) -> None:
    done = cli("run", "utils.echo", "--help")
    assert done.code == 0
    assert "--msg" in done.out


def test_json_has_one_object_for_the_start_and_one_for_the_end(cli: Cli) -> None:
    done = cli("run", "--json", "utils.echo")
    start, end = map(json.loads, done.lines)
    assert start == {
        "app_handle": start["app_handle"],
        "scheduler": "local_cwd",
        "app_id": start["app_handle"].rpartition("/")[2],
    }
    assert (end["app_handle"], end["state"]) == (start["app_handle"], "SUCCEEDED")
    assert end["roles"][0]["replicas"][0]["state"] == "SUCCEEDED"


def test_no_wait_leaves_a_local_job_alone(cli: Cli) -> None:
    done = cli("run", "--no-wait", "utils.sh", "sleep", "60")
    handle = handle_of(done)
    assert done.code == 0
    assert f"torchx log --tail {handle}" in done.err
    assert cli("cancel", handle).code == 0


def test_no_log_waits_in_silence(cli: Cli) -> None:
    done = cli("run", "--no-log", "utils.echo")
    assert done.err == f"{handle_of(done)} SUCCEEDED\n"


def test_the_handle_comes_at_once(far: FarJobs) -> None:
    child = pexpect.spawn(
        TORCHX[0], [*TORCHX[1:], "run", "utils.sh", "sleep", "60"], env=environment(), encoding="utf-8", timeout=30
    )
    child.expect(r"local_cwd://torchx/\S+")
    handle = str(child.after)
    child.sendintr()
    child.expect(f"cancelled {handle}")
    child.expect(pexpect.EOF)
    child.wait()
    child.close()
    assert (child.exitstatus, child.signalstatus) == (130, None)


def test_ctrl_c_cancels_a_local_job(cli: Cli, workdir: Path) -> None:
    script = "echo $$ > pid; echo ready; sleep 300 & wait"
    child = pexpect.spawn(TORCHX[0], [*TORCHX[1:], "run", *SH, script], env=environment(), encoding="utf-8", timeout=30)
    child.expect(r"local_cwd://torchx/\S+")
    handle = str(child.after)
    child.expect(r"ready\r\n")
    child.sendintr()
    child.expect(f"cancelled {handle}")
    child.expect(pexpect.EOF)
    child.wait()
    child.close()
    assert (child.exitstatus, child.signalstatus) == (130, None)
    pid = int((workdir / "pid").read_text())
    eventually(lambda: not alive(pid))
    assert "CANCELLED" in eventually(lambda: (s := cli("status", handle).out) and "CANCELLED" in s and s)


def test_a_killed_launcher_leaves_the_job_running(cli: Cli, workdir: Path) -> None:
    with subprocess.Popen(
        [*TORCHX, "run", *SH, "touch started; until test -e go; do sleep 0.05; done; echo finished"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as launcher:
        assert launcher.stdout is not None
        handle = launcher.stdout.readline().strip()
        eventually((workdir / "started").exists)
        launcher.send_signal(signal.SIGKILL)
    (workdir / "go").touch()
    assert cli("log", "--tail", handle).out == "sh/0 finished\n"
    eventually(lambda: "SUCCEEDED" in cli("status", handle).out)


def test_ctrl_c_leaves_a_remote_job_and_says_how_to_follow_it(far: FarJobs) -> None:
    child = pexpect.spawn(
        TORCHX[0],
        [*TORCHX[1:], "run", "-s", "far", "-cfg", "queue=q", "--wait", "utils.echo"],
        env=environment(FAR_STATE="RUNNING"),
        encoding="utf-8",
        timeout=30,
    )
    child.expect(r"far://torchx/echo")
    eventually((far.folder / "echo.json").exists)
    child.expect(r"\n")
    child.sendintr()
    child.expect("far://torchx/echo goes on")
    child.expect("torchx log --tail far://torchx/echo")
    child.expect(pexpect.EOF)
    child.wait()
    child.close()
    assert (child.exitstatus, child.signalstatus) == (130, None)
    assert far.record("echo")["state"] == "RUNNING"


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_ctrl_c_during_the_submission_loses_no_handle(far: FarJobs, times: int) -> None:
    child = pexpect.spawn(
        TORCHX[0],
        [*TORCHX[1:], "run", "-s", "far", "-cfg", "queue=q", "--wait", "utils.echo"],
        env=environment(FAR_SLOW="1", FAR_STATE="RUNNING"),
        encoding="utf-8",
        timeout=30,
    )
    child.expect("submitting")
    child.sendintr()
    child.expect("waiting for the end of the submission")
    if times == 1:
        child.sendline()
        child.expect("far://torchx/echo\r\n")
        child.expect("far://torchx/echo goes on")
    else:
        child.sendintr()
        child.expect("interrupted")
    child.expect(pexpect.EOF)
    child.wait()
    child.close()
    assert (child.exitstatus, child.signalstatus) == (130, None)
    assert (far.folder / "echo.json").exists() is (times == 1)


def test_a_remote_job_is_not_waited_for(cli: Cli, far: FarJobs) -> None:
    done = cli("run", "-s", "far", "-cfg", "queue=q,priority=3", "utils.echo")
    assert (done.code, done.out) == (0, "far://torchx/echo\n")
    assert "torchx status far://torchx/echo" in done.err


@pytest.mark.parametrize("option", ["--log", "--tee_logs", "--tee-logs"])
def test_the_logs_of_a_remote_job_begin_when_it_starts(far: FarJobs, option: str) -> None:
    with subprocess.Popen(
        [*TORCHX, "run", "-s", "far", "-cfg", "queue=q", option, "utils.echo", "--num_replicas", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as launcher:
        eventually((far.folder / "echo.json").exists)
        assert launcher.stderr is not None
        assert launcher.stderr.readline() == "far://torchx/echo is PENDING\n"
        far.set_state("echo", "SUCCEEDED")
        out, err = launcher.communicate(timeout=30)
    assert (launcher.returncode, out) == (0, "far://torchx/echo\n")
    lines = err.splitlines()
    assert sorted(lines[:-1]) == [f"echo/{k} echo {k} says {word}" for k in (0, 1) for word in ("one", "two")]
    assert lines[-1] == "far://torchx/echo SUCCEEDED"


def test_a_scheduler_without_logs_is_waited_for(cli: Cli, far: FarJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_STATE", "SUCCEEDED")
    monkeypatch.setenv("FAR_NO_LOGS", "1")
    done = cli("run", "-s", "far", "-cfg", "queue=q", "--log", "utils.echo")
    assert done.code == 0
    assert "serves no logs" in done.err


@pytest.mark.parametrize(
    ("argv", "error", "hint"),
    [
        (["-s", "local_cdw", "utils.echo"], "`local_cdw`", "did you mean `local_cwd`"),
        (["-s", "far", "-cfg", "quue=q", "utils.echo"], "`quue`", "did you mean `queue`?"),
        (["-s", "far", "-cfg", "queue=q,priority=x", "utils.echo"], "`priority`: expected int, got 'x'", ""),
        (["-s", "far", "-cfg", "queue", "utils.echo"], "key=value", ""),
        (["-s", "far", "utils.echo"], "`queue`", "-cfg queue=..."),
        (["utils.ecko"], "utils.ecko", "did you mean `utils.echo`"),
        (["utils.echo", "--mgs", "x"], "--mgs", "--msg"),
        (["--dryun", "utils.echo"], "unknown option `--dryun`", "--dryrun"),
        ([], "no component given", "torchx builtins"),
        (["nofile.py:fn"], "nofile.py", ""),
        (["--stdin", "utils.echo"], "`utils.echo`: with --stdin", ""),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_a_mistake_is_told_with_the_nearest_name(
    cli: Cli, far: FarJobs, argv: list[str], error: str, hint: str
) -> None:
    done = cli("run", *argv)
    assert (done.code, done.out) == (2, "")
    assert error in done.error
    assert hint in done.hint
    assert not list(far.folder.iterdir())


def test_a_backend_that_is_not_installed_names_its_distribution(site: Site, workdir: Path) -> None:
    # What the site folder of a machine without the backends shows: core alone.
    code = (
        "import sys; from torchx.plugins import _entry_points as e; "
        "find = e.find_distributions; e.find_distributions = lambda *a, **k: [d for d in find(*a, **k) "
        "if d.name != 'torchx-k8s']; from torchx.cli.main import main; main(sys.argv[1:])"
    )
    for argv in (["run", "-s", "kubernetes", "utils.echo"], ["status", "kubernetes://a/b"], ["runopts", "kubernetes"]):
        done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=False)
        outcome = Outcome(code=done.returncode, out=done.stdout, err=done.stderr)
        assert outcome.code == 2
        assert "`kubernetes`" in outcome.error
        assert outcome.hint.startswith("`torchx-k8s` is planned")


def test_a_broken_scheduler_plugin_is_told_with_its_cause(cli: Cli, site: Site) -> None:
    site.add(
        "acme-broken",
        modules={"acme_broken": "import no_such_client"},
        entry_points={"torchx.schedulers": {"broken": "acme_broken:create"}},
    )
    done = cli("run", "-s", "broken", "utils.echo")
    assert done.code == 1
    assert "acme-broken 1.0" in done.error
    assert "no_such_client" in done.hint
    assert cli("run", "--dryrun", "utils.echo").code == 0


def test_a_component_that_raises_is_one_line(cli: Cli, workdir: Path) -> None:
    (workdir / "bad.py").write_text("def fn() -> 'AppDef':\n    raise RuntimeError('no luck')\n")
    (workdir / "worse.py").write_text("import no_such_module\ndef fn() -> 'AppDef': ...\n")
    for target, word in (("bad.py:fn", ""), ("worse.py:fn", "no_such_module")):
        done = cli("run", target)
        assert done.code in (1, 2)
        assert word in done.error


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        pytest.param("'no data for API_TOKEN=hunter22'", 1, "no data for API_TOKEN=******", id="text"),
        pytest.param("['a', 1]", 1, "['a', 1]", id="object"),
        pytest.param("''", 1, "SystemExit", id="empty"),
        pytest.param("7", 7, "component `bad.py:fn` called sys.exit(7) instead of returning an AppDef", id="number"),
        pytest.param("None", 0, "", id="none"),
    ],
)
def test_a_component_that_exits_with_a_text_fails_with_it(
    cli: Cli, workdir: Path, code: str, status: int, told: str
) -> None:
    (workdir / "bad.py").write_text(f"import sys\ndef fn() -> 'AppDef':\n    sys.exit({code})\n")
    done = cli("run", "bad.py:fn")
    assert (done.code, done.err) == (status, f"error: {told}\n" if told else "")
    if told:
        assert "bad.py" in cli("--log_level", "DEBUG", "run", "bad.py:fn").err


def test_dry_run_shows_the_job_and_the_request_and_submits_nothing(cli: Cli, far: FarJobs) -> None:
    done = cli("run", "-s", "far", "-cfg", "queue=q", "--dryrun", "utils.echo", "--msg", "hi")
    assert (done.code, done.err) == (0, "")
    application, request = done.out.split("=== SCHEDULER REQUEST ===\n")
    assert application.startswith("=== APPLICATION ===\nname: echo\n")
    assert json.loads(request)["queue"] == "q"
    assert not list(far.folder.iterdir())


def test_dry_run_as_json(cli: Cli, far: FarJobs) -> None:
    record = cli("run", "-s", "far", "-cfg", "queue=q", "--dryrun", "--json", "utils.echo").json()
    assert record["scheduler"] == "far"
    assert record["cfg"] == {"queue": "q", "priority": 0}
    assert record["app"]["roles"][0]["entrypoint"] == "echo"
    assert '"queue": "q"' in record["request"]


@pytest.mark.parametrize("scheduler", [["-s", "local_cwd"], ["-s", "far", "-cfg", "queue=q"]], ids=["local", "far"])
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_dry_run_masks_secrets_unless_asked_not_to(
    cli: Cli, far: FarJobs, job_file: str, scheduler: list[str], form: list[str]
) -> None:
    component = [f"{job_file}:job", "--key", "canary-args", "--url", "pg://u:canary-url@h/db", "canary-args-twice"]
    masked = cli("run", *scheduler, "--dryrun", *form, *component)
    assert masked.code == 0, masked.err
    assert "canary-env" not in masked.out
    assert "canary-url" not in masked.out
    assert "canary-metadata" not in masked.out
    assert "canary-args" not in masked.out
    assert "TOKENIZERS_PARALLELISM" in masked.out
    shown = cli("run", *scheduler, "--dryrun", "--show-secrets", *form, *component)
    assert all(f"canary-{what}" in shown.out for what in ("env", "url", "metadata", "args"))


def test_dry_run_imports_little(workdir: Path) -> None:
    code = (
        "import sys\nfrom torchx.cli.main import main\nmain(['run', '--dryrun', 'utils.echo'])\n"
        "print(*sorted(m for m in sys.modules if m in "
        "('argparse', 'rich', 'yaml', 'fsspec', 'asyncio', 'logging', 'docstring_parser', 'pluggy', "
        "'torchx.cli.cmd_log', 'torchx.cli.render', 'importlib.metadata')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "torchx.cli.render"


def test_flags_take_their_defaults_from_the_configuration(cli: Cli, far: FarJobs, workdir: Path) -> None:
    (workdir / ".torchxconfig").write_text(
        "[cli:run]\nscheduler = far\nscheduler_args = queue=from_file\ncomponent = utils.echo\n"
        "dryrun = true\njson=yes\n"
    )
    record = cli("run").json()
    assert (record["scheduler"], record["cfg"]["queue"], record["app"]["name"]) == ("far", "from_file", "echo")
    record = cli("run", "-cfg", "queue=given", "utils.sh", "true").json()
    assert (record["cfg"]["queue"], record["app"]["name"]) == ("given", "sh")
    assert "=== APPLICATION" in cli("run", "--no-json").out
    assert cli("run", "--", "--msg", "other").json()["app"]["roles"][0]["args"] == ["other"]
    assert cli("run", "-s", "local_cwd", "-cfg", "", "--no-dryrun").lines[0].startswith('{"app_handle"')


def test_workspace_and_parent_run_from_the_configuration(cli: Cli, workdir: Path) -> None:
    (workdir / ".torchxconfig").write_text("[cli:run]\nparent_run_id = file-run\nwait = n\n")
    assert "TORCHX_PARENT_RUN_ID: file-run" in cli("run", "--dryrun", "utils.echo").out
    assert "TORCHX_PARENT_RUN_ID: given" in cli("run", "--dryrun", "--parent_run_id", "given", "utils.echo").out
    assert "torchx log --tail" in cli("run", "utils.echo").err


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ("schduler = far", "unknown key `schduler` in section [cli:run]", "did you mean `scheduler`"),
        ("dryrun = perhaps", "`dryrun` in section [cli:run]: expected true or false, got 'perhaps'", "dryrun = true"),
    ],
    ids=["key", "value"],
)
def test_a_mistake_in_the_configuration_is_told(cli: Cli, workdir: Path, text: str, error: str, hint: str) -> None:
    (workdir / ".torchxconfig").write_text(f"[cli:run]\n{text}\n")
    done = cli("run", "utils.echo")
    assert done.code == 2
    assert error in done.error
    assert hint in done.hint


def test_component_defaults_come_from_the_configuration(cli: Cli, workdir: Path) -> None:
    (workdir / ".torchxconfig").write_text("[component:utils.echo]\nmsg = configured\n")
    assert "echo/0 configured" in cli("run", "utils.echo").err
    assert "echo/0 given" in cli("run", "utils.echo", "--msg", "given").err


def test_a_job_is_read_from_standard_input(cli: Cli, far: FarJobs) -> None:
    text = json.dumps(
        {
            "name": "piped",
            "roles": [{"name": "a", "entrypoint": "echo", "args": ["x"], "resource": "cpu.small"}],
            "scheduler": "far",
            "cfg": {"queue": "from_job"},
        }
    )
    assert cli("run", "--stdin", stdin=text).out == "far://torchx/piped\n"
    assert far.record("piped")["queue"] == "from_job"
    cli("run", "--stdin", "-cfg", "queue=given", stdin=text)
    assert far.record("piped")["queue"] == "given"
    local = cli(
        "run",
        "--stdin",
        "-s",
        "local_cwd",
        stdin=text.replace('"queue"', '"prepend_cwd"').replace('"from_job"', "true"),
    )
    assert local.lines[0].startswith("local_cwd://torchx/piped"), local.err


def test_a_component_is_read_from_standard_input(cli: Cli) -> None:
    text = json.dumps({"component": "utils.echo", "component_args": {"msg": "by name"}})
    assert "echo/0 by name" in cli("run", "--stdin", stdin=text).err
    text = json.dumps({"component_name": "utils.echo", "component_args": ["--msg", "words"]})
    assert "echo/0 words" in cli("run", "--stdin", stdin=text).err


def test_what_describe_prints_can_be_run_again(cli: Cli) -> None:
    first = cli("run", "utils.sh", "sh", "-c", "echo $0", "a b")
    described = cli("describe", "--json", "--show-secrets", handle_of(first))
    again = cli("run", "--stdin", stdin=described.out)
    assert again.code == 0, again.err
    assert again.err.splitlines()[:-1] == first.err.splitlines()[:-1]


def test_an_empty_standard_input_is_told(cli: Cli) -> None:
    assert cli("run", "--stdin", stdin="").error == "standard input holds no job"


def test_a_log_reader_that_leaves_does_not_hurt_the_job(cli: Cli, workdir: Path) -> None:
    script = "echo ready; touch started; until test -e go; do sleep 0.05; done; seq 100000; touch finished"
    with subprocess.Popen([*TORCHX, "run", *SH, script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as launcher:
        assert launcher.stdout is not None
        launcher.stdout.readline()
        eventually((workdir / "started").exists)
        launcher.stdout.close()
        (workdir / "go").touch()
        assert launcher.wait(timeout=30) == 141
    eventually((workdir / "finished").exists)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_handle_that_can_not_be_printed_is_told_with_the_error(cli: Cli, workdir: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*TORCHX, "run", "-s", "local_cwd", "utils.echo"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=environment(),
        )
    assert done.returncode == 1
    follow, error = done.stderr.splitlines()
    handle = follow.rpartition("torchx status ")[2].rstrip("`")
    assert error == "error: cannot write to standard output: No space left on device"
    assert cli("status", handle).code == 0


def test_names_with_line_ends_stay_in_their_line(cli: Cli, workdir: Path) -> None:
    (workdir / "names.py").write_text(
        "from torchx.specs import AppDef, Role\n"
        "def job() -> AppDef:\n"
        "    '''A job.'''\n"
        "    return AppDef('n', [Role('a\\nb\\x1b[2J', image='', entrypoint='echo', args=['hi'])])\n"
    )
    done = cli("run", "-s", "local_cwd", "names.py:job")
    assert done.err.splitlines()[0] == "a b\\x1b[2J/0 hi"
    assert cli("status", "local_cwd://torchx/no\npe\x1b[2J").err.splitlines()[0].endswith("/no pe\\x1b[2J`")


@pytest.mark.parametrize("text", ["nowhere", "{nowhere: lib}"], ids=["path", "mapping"])
def test_a_workspace_that_does_not_exist_is_refused_whatever_the_scheduler(cli: Cli, text: str) -> None:
    done = cli("run", "-s", "local_cwd", "--workspace", text, "utils.echo")
    assert (done.code, done.error) == (2, "workspace `nowhere` does not exist")


def test_a_current_folder_that_is_gone_is_told(cli: Cli, workdir: Path) -> None:
    (workdir / "gone").mkdir()
    os.chdir(workdir / "gone")
    (workdir / "gone").rmdir()
    done = cli("run", "-s", "local_cwd", "utils.echo")
    assert (done.code, done.error) == (2, "the current folder does not exist any more")


def test_an_error_of_a_component_tells_whose_it_is_and_where(cli: Cli, workdir: Path) -> None:
    source = """
from torchx.specs import AppDef

def broken(n: int = 0) -> AppDef:
    \"\"\"Fails.\"\"\"
    return part(n)

def part(n):
    return open("/no/such/file") if n else {}["lr"]
"""
    (workdir / "bad.py").write_text(source)
    done = cli("run", "bad.py:broken")
    assert (done.code, done.error) == (1, f"component `bad.py:broken` ({workdir}/bad.py:9) failed: KeyError: 'lr'")
    assert "DEBUG" in done.hint
    done = cli("run", "bad.py:broken", "--n", "1")
    assert done.error.startswith(f"component `bad.py:broken` ({workdir}/bad.py:9) failed: FileNotFoundError: [Errno 2]")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("fm", "did you mean `fn`?"), ("something", "it has functions that are no valid components: fn")],
)
def test_functions_that_are_no_valid_components_are_no_secret(cli: Cli, workdir: Path, asked: str, hint: str) -> None:
    (workdir / "bad.py").write_text("def fn(x):\n    return x\n")
    done = cli("run", f"bad.py:{asked}")
    assert (done.code, done.hint) == (2, hint)
    assert "not a valid component" in cli("run", "bad.py:fn").error
