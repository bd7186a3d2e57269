"""Jobs start, write, end, and are seen alike by every process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.local.kit import Jobs, role, shell, until
from torchx.errors import TorchXError
from torchx.schedulers.api import Stream
from torchx.schedulers.local_scheduler import create_scheduler
from torchx.specs import NONE, AppDef, AppState, RetryPolicy, macros


def test_job_runs_and_its_output_is_kept_by_stream(jobs: Jobs) -> None:
    app_id = jobs.submit(shell("echo out; echo err >&2"))
    assert jobs.wait(app_id).state is AppState.SUCCEEDED
    assert jobs.lines(app_id, streams=Stream.STDOUT) == ["out\n"]
    assert jobs.lines(app_id, streams=Stream.STDERR) == ["err\n"]
    assert sorted(jobs.lines(app_id)) == ["err\n", "out\n"]


@pytest.mark.parametrize(
    ("code", "msg"),
    [("exit 3", "replica w/0 exited with code 3"), ("kill -9 $$", "replica w/0 was killed by SIGKILL")],
    ids=["exit code", "signal"],
)
def test_failed_replica_is_named_with_its_exit(jobs: Jobs, code: str, msg: str) -> None:
    described = jobs.wait(jobs.submit(shell(code)))
    assert (described.state, described.msg) == (AppState.FAILED, msg)


def test_one_failed_replica_takes_the_whole_job_down(jobs: Jobs) -> None:
    app_id = jobs.submit(
        shell("[ ${replica_id} = 1 ] && exit 1; sleep 1000", num_replicas=3), shell("sleep 1000", name="v")
    )
    described = jobs.wait(app_id)
    states = {(r.role, r.id): r.state for role in described.roles_statuses for r in role.replicas}
    assert described.state is AppState.FAILED
    assert states == {
        ("w", 0): AppState.CANCELLED,
        ("w", 1): AppState.FAILED,
        ("w", 2): AppState.CANCELLED,
        ("v", 0): AppState.CANCELLED,
    }
    assert jobs.processes(app_id) == []


@pytest.mark.parametrize(
    "arg",
    [
        "",
        " ",
        "a b",
        "'",
        '"',
        "$HOME",
        "$$",
        "`id`",
        "a\nb",
        "a\\b",
        "-x",
        "ü\U0001f600",
        "\udcff",
        "a=b,c",
        "${unknown}",
        "*",
    ],
    ids=repr,
)
def test_arguments_and_environment_arrive_byte_for_byte(jobs: Jobs, arg: str) -> None:
    code = "import os, sys; print(os.fsencode(sys.argv[1]) == os.environb[b'VALUE'], ascii(sys.argv[1]))"
    app_id = jobs.submit(role(sys.executable, "-c", code, arg, env={"VALUE": arg}))
    jobs.wait(app_id)
    assert jobs.lines(app_id) == [f"True {arg!a}\n"]


def test_macros_are_filled_in(jobs: Jobs) -> None:
    app_id = jobs.submit(
        role("echo", macros.app_id, macros.replica_id, macros.img_root, macros.rank0_env, num_replicas=2)
    )
    jobs.wait(app_id)
    assert jobs.lines(app_id, k=1) == [f"{app_id} 1 {Path.cwd()} TORCHX_RANK0_HOST\n"]


def test_rank0_host_is_this_machine(jobs: Jobs) -> None:
    app_id = jobs.submit(shell(f"echo $${macros.rank0_env} ${macros.rank0_env}"))
    jobs.wait(app_id)
    assert jobs.lines(app_id)[0].split()[1] == "localhost"


@pytest.mark.parametrize(
    ("policy", "restarted"),
    [(RetryPolicy.APPLICATION, ["a1", "b0"]), (RetryPolicy.ROLE, ["a1"]), (RetryPolicy.REPLICA, [])],
    ids=lambda value: value.name if isinstance(value, RetryPolicy) else "",
)
def test_retry_policy_decides_what_is_started_again(jobs: Jobs, policy: RetryPolicy, restarted: list[str]) -> None:
    def peer(name: str) -> str:
        return f"echo run; touch {name}; while [ ! -e go ]; do sleep 0.01; done"

    # The failing replica lets the others write before it fails, for the third time well.
    flaky = f"""echo run; echo x >> n
        while [ ! -e a1 ] || [ ! -e b0 ]; do sleep 0.01; done
        [ $(wc -l < n) = 3 ] && touch go && exit 0
        rm -f {" ".join(restarted)}; exit 1"""
    a = shell(
        f"case ${{replica_id}} in 0) {flaky};; *) {peer('a1')};; esac",
        name="a",
        num_replicas=2,
        max_retries=2,
        retry_policy=policy,
    )
    app_id = jobs.submit(a, shell(peer("b0"), name="b"))
    described = jobs.wait(app_id)
    assert (described.state, described.num_restarts) == (AppState.SUCCEEDED, 2)
    runs = {name: len(jobs.lines(app_id, name[0], int(name[1]))) for name in ("a0", "a1", "b0")}
    assert runs == {name: 3 if name in ["a0", *restarted] else 1 for name in runs}


def test_retries_are_limited(jobs: Jobs) -> None:
    app_id = jobs.submit(shell("echo run; exit 1", max_retries=2))
    described = jobs.wait(app_id)
    assert (described.state, described.num_restarts) == (AppState.FAILED, 2)
    assert jobs.lines(app_id) == ["run\n"] * 3


def test_a_follower_sees_the_lines_of_all_attempts(jobs: Jobs) -> None:
    app_id = jobs.submit(shell("echo run; sleep 0.1; exit 1", max_retries=2))
    assert jobs.lines(app_id, should_tail=True) == ["run\n"] * 3


def test_lines_of_two_attempts_are_never_one(jobs: Jobs) -> None:
    code = "printf out; printf err >&2; [ -e again ] || { touch again; exit 1; }"
    app_id = jobs.submit(shell(code, max_retries=1))
    assert jobs.wait(app_id).state is AppState.SUCCEEDED
    assert jobs.lines(app_id, streams=Stream.STDOUT) == ["out\n", "out"]
    assert sorted(line.strip() for line in jobs.lines(app_id)) == ["err", "err", "out", "out"]


def test_repeated_schedule_is_one_job(jobs: Jobs) -> None:
    info = jobs.scheduler.submit_dryrun(AppDef("job", [shell("sleep 1000")]), {})
    jobs.ids = [jobs.scheduler.schedule(info)]
    assert jobs.scheduler.schedule(info) == jobs.ids[0]
    assert [app.app_id for app in jobs.scheduler.list()] == jobs.ids


def test_dry_run_leaves_nothing(jobs: Jobs, home: Path) -> None:
    jobs.scheduler.submit_dryrun(AppDef("job", [role("echo")]), {})
    assert not home.exists()


def test_job_is_known_to_another_process(jobs: Jobs) -> None:
    app_id = jobs.submit(shell("echo hello; sleep 1000"))
    code = (
        "from torchx.schedulers.local_scheduler import create_scheduler; s = create_scheduler('other');"
        f"d = s.describe({app_id!r}); print(d.state.name, d.roles[0].args, [a.app_id for a in s.list()]);"
        f"s.cancel({app_id!r})"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert out == f"RUNNING {['-c', 'echo hello; sleep 1000']} {[app_id]}\n"
    assert jobs.wait(app_id).state is AppState.CANCELLED


def test_job_outlives_the_process_that_submitted_it(jobs: Jobs, tmp_path: Path) -> None:
    code = (
        "import os, signal; from torchx.schedulers.local_scheduler import create_scheduler as c;"
        "from torchx.specs import AppDef, Role; s = c('x');"
        f"code = 'while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo done';"
        "r = Role('w', '', entrypoint='sh', args=['-c', code]);"
        "print(s.schedule(s.submit_dryrun(AppDef('job', [r]), {})), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    submitter = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert submitter.returncode == -9
    jobs.ids = [submitter.stdout.strip()]
    assert jobs.state(jobs.ids[0]).state is AppState.RUNNING
    (tmp_path / "go").touch()
    assert jobs.wait(jobs.ids[0]).state is AppState.SUCCEEDED
    assert jobs.lines(jobs.ids[0]) == ["done\n"]


def test_delete_ends_the_job_and_forgets_it(jobs: Jobs, home: Path) -> None:
    app_id = jobs.submit(shell("sleep 1000"))
    jobs.scheduler.delete(app_id)
    assert jobs.scheduler.describe(app_id) is None
    assert jobs.scheduler.list() == []
    assert [*(home / "local").iterdir()] == []


def test_what_is_gone_is_none(jobs: Jobs) -> None:
    assert jobs.scheduler.describe("nothing") is None
    assert not jobs.scheduler.exists("nothing")
    jobs.scheduler.cancel("nothing")
    jobs.scheduler.delete("nothing")


@pytest.mark.parametrize("app_id", ["", ".", "..", "../x", "a/b", "a\0b"], ids=repr)
def test_hostile_app_ids_are_unknown(jobs: Jobs, app_id: str) -> None:
    assert jobs.scheduler.describe(app_id) is None


@pytest.mark.parametrize("name", ["a/../../b", "..", ".", "a b", "ü", "-x", "\n", "x" * 100], ids=repr)
def test_role_and_app_names_are_only_names(jobs: Jobs, home: Path, name: str) -> None:
    app_id = jobs.submit(role("echo", "hello", name=name), name=name)
    jobs.wait(app_id)
    assert jobs.lines(app_id, name) == ["hello\n"]
    assert [p.name for p in (home / "local").iterdir()] == [app_id]


def test_log_dir_holds_the_logs(jobs: Jobs, tmp_path: Path) -> None:
    app_id = jobs.submit(role("echo", "hello"), log_dir=str(tmp_path / "logs"))
    jobs.wait(app_id)
    assert (tmp_path / "logs" / app_id / "w" / "0" / "stdout.log").read_text() == "hello\n"
    jobs.scheduler.delete(app_id)
    assert (tmp_path / "logs" / app_id / "w" / "0" / "stdout.log").exists()


def test_prepend_cwd_puts_the_current_folder_first_on_path(jobs: Jobs) -> None:
    program = Path("date")
    program.write_text("#!/bin/sh\necho mine\n")
    program.chmod(0o755)
    app_id = jobs.submit(role("date"), prepend_cwd=True)
    jobs.wait(app_id)
    assert jobs.lines(app_id) == ["mine\n"]


def test_records_are_for_the_owner_only(jobs: Jobs, home: Path) -> None:
    app_id = jobs.submit(role("echo", env={"TOKEN": "secret"}))
    jobs.wait(app_id)
    files = [p for p in (home / "local" / app_id).rglob("*") if p.is_file()]
    assert {oct(p.stat().st_mode & 0o777) for p in files} == {"0o600"}
    assert oct((home / "local" / app_id).stat().st_mode & 0o777) == "0o700"


def test_error_file_of_a_replica_is_told(jobs: Jobs) -> None:
    error = json.dumps({"message": {"message": "ValueError: no", "extraInfo": {"py_callstack": "Traceback ..."}}})
    app_id = jobs.submit(shell(f"echo '{error}' > $TORCHELASTIC_ERROR_FILE; exit 1"))
    described = jobs.wait(app_id)
    assert json.loads(described.structured_error_msg) == json.loads(error)
    assert described.roles_statuses[0].replicas[0].structured_error_msg == described.structured_error_msg


def test_traceback_on_stderr_is_told_where_there_is_no_error_file(jobs: Jobs) -> None:
    app_id = jobs.submit(role(sys.executable, "-c", "def f():\n  raise ValueError('my reason')\nf()"))
    error = json.loads(jobs.wait(app_id).structured_error_msg)["message"]
    assert error["message"] == "ValueError: my reason"
    assert error["extraInfo"]["py_callstack"].startswith("Traceback (most recent call last):")


def test_successful_replica_has_no_error(jobs: Jobs) -> None:
    assert jobs.wait(jobs.submit(role("true"))).structured_error_msg == NONE


def test_constructing_and_using_the_scheduler_leaves_signal_handlers_alone(jobs: Jobs) -> None:
    import signal

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    jobs.wait(jobs.submit(role("true")))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)] == before


def test_background_processes_end_with_the_job(jobs: Jobs) -> None:
    app_id = jobs.submit(shell("setsid sleep 1000 & sleep 1000 & (trap '' TERM; setsid sleep 1000) & sleep 0.1"))
    assert jobs.wait(app_id).state is AppState.SUCCEEDED
    assert jobs.processes(app_id) == []


def test_role_that_overrides_nothing_the_scheduler_needs_is_refused(jobs: Jobs) -> None:
    from torchx.specs import Role

    with pytest.raises(TorchXError, match="role `w` has no entrypoint"):
        jobs.submit(Role("w", "image"))


def test_many_replicas_need_no_more_open_files_than_the_system_allows(jobs: Jobs) -> None:
    app_id = jobs.submit(role("echo", "${replica_id}", num_replicas=300))
    assert jobs.wait(app_id).state is AppState.SUCCEEDED
    assert [jobs.lines(app_id, k=k) for k in (0, 299)] == [["0\n"], ["299\n"]]


def test_list_goes_on_while_jobs_are_deleted(jobs: Jobs) -> None:
    ids = {jobs.submit(role("true")) for _ in range(5)}
    for app_id in ids:
        jobs.wait(app_id)
    rows = jobs.scheduler.iter_list()
    first = next(rows).app_id
    for app_id in ids - {first}:
        jobs.scheduler.delete(app_id)
    assert {row.app_id for row in rows} <= ids
    assert until(lambda: [row.app_id for row in create_scheduler("x").list()]) == [first]


@pytest.mark.parametrize("file", ["state.json", "request.json"])
@pytest.mark.parametrize("text", ["", "[]", "{}"], ids=["empty", "list", "dict"])
def test_damaged_record_is_one_error_and_hides_no_other_job(jobs: Jobs, home: Path, file: str, text: str) -> None:
    damaged, good = jobs.submit(shell("true")), jobs.submit(shell("true"))
    assert [jobs.wait(app_id).state.name for app_id in (damaged, good)] == ["SUCCEEDED"] * 2
    (home / "local" / damaged / file).write_text(text)
    states = {app.app_id: app.state.name for app in jobs.scheduler.list()}
    assert states[good] == "SUCCEEDED"
    assert states[damaged] == ("UNKNOWN" if file == "state.json" else "SUCCEEDED")
    with pytest.raises(TorchXError, match="is damaged"):
        jobs.scheduler.describe(damaged)
    jobs.ids.remove(damaged)
