"""What is killed, full or not allowed: nothing is left behind, and the reason is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.core.local.kit import Jobs, role, shell, until
from torchx.errors import TorchXError
from torchx.schedulers._local import proctree
from torchx.schedulers.api import Stream
from torchx.specs import AppState

if TYPE_CHECKING:
    from collections.abc import Iterator

STUBBORN = """
trap '' TERM INT HUP
(trap '' TERM; setsid sleep 1000) &
(trap '' TERM; while :; do sleep 1000; done) &
echo up
sleep 1000 & wait; sleep 1000
"""


def test_cancel_ends_processes_that_ignore_sigterm_and_fork(jobs: Jobs) -> None:
    app_id = jobs.submit(shell(STUBBORN, num_replicas=2))
    until(lambda: jobs.lines(app_id, k=0) and jobs.lines(app_id, k=1))
    assert len(jobs.processes(app_id)) >= 6
    begin = time.monotonic()
    jobs.scheduler.cancel(app_id)
    assert jobs.wait(app_id).state is AppState.CANCELLED
    assert jobs.processes(app_id) == []
    assert time.monotonic() - begin < 10


def test_cancel_lets_processes_end_by_themselves(jobs: Jobs) -> None:
    app_id = jobs.submit(shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"))
    until(lambda: jobs.lines(app_id))
    jobs.scheduler.cancel(app_id)
    assert jobs.wait(app_id).state is AppState.CANCELLED
    assert jobs.lines(app_id, streams=Stream.STDOUT) == ["up\n", "bye\n"]


def test_cancel_during_a_restart_is_not_lost(jobs: Jobs) -> None:
    app_id = jobs.submit(shell("exit 1", max_retries=1_000_000))
    until(lambda: jobs.state(app_id).num_restarts > 3)
    jobs.scheduler.cancel(app_id)
    assert jobs.wait(app_id).state is AppState.CANCELLED


@pytest.mark.parametrize("victim", [0, 1], ids=["supervisor", "guardian"])
def test_killed_watcher_takes_the_job_with_it(jobs: Jobs, victim: int) -> None:
    app_id = jobs.submit(shell(STUBBORN))
    until(lambda: jobs.lines(app_id))
    os.kill(jobs.watchers(app_id)[victim], signal.SIGKILL)
    described = jobs.wait(app_id, timeout=10)
    assert described.state is AppState.FAILED
    assert ("supervisor", "guardian")[victim] in described.msg
    until(lambda: not jobs.processes(app_id), timeout=10)


@pytest.mark.parametrize("victim", [0, 1], ids=["supervisor", "guardian"])
def test_killed_watcher_takes_those_with_it_that_left_their_session(jobs: Jobs, victim: int) -> None:
    app_id = jobs.submit(shell("setsid sh -c 'setsid sleep 1000 & echo up; sleep 1000' & wait"))
    until(lambda: jobs.lines(app_id))
    assert len(jobs.processes(app_id)) >= 3
    os.kill(jobs.watchers(app_id)[victim], signal.SIGKILL)
    assert jobs.wait(app_id, timeout=10).state is AppState.FAILED
    assert jobs.processes(app_id) == []


def test_killing_the_process_group_of_a_watcher_leaves_the_other_one_to_end_the_job(jobs: Jobs) -> None:
    app_id = jobs.submit(shell(STUBBORN))
    until(lambda: jobs.lines(app_id))
    supervisor, guardian = jobs.watchers(app_id)
    assert os.getpgid(supervisor) != os.getpgid(guardian)
    os.killpg(os.getpgid(guardian), signal.SIGKILL)
    until(lambda: not proctree.start_time(supervisor), timeout=10)
    assert jobs.processes(app_id) == []
    described = jobs.state(app_id)
    assert (described.state, described.msg) == (AppState.FAILED, "the job's guardian process was killed")


def test_sigterm_to_the_supervisor_ends_the_job_in_order(jobs: Jobs) -> None:
    app_id = jobs.submit(shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"))
    until(lambda: jobs.lines(app_id))
    os.kill(jobs.watchers(app_id)[0], signal.SIGTERM)
    described = jobs.wait(app_id)
    assert (described.state, described.msg) == (
        AppState.FAILED,
        "the job's supervisor process was told to end (SIGTERM)",
    )
    assert jobs.lines(app_id, streams=Stream.STDOUT) == ["up\n", "bye\n"]


def test_killing_both_watchers_is_found_out_by_who_looks(jobs: Jobs) -> None:
    app_id = jobs.submit(shell(STUBBORN))
    until(lambda: jobs.lines(app_id))
    for pid in jobs.watchers(app_id):
        os.kill(pid, signal.SIGSTOP)
    for pid in jobs.watchers(app_id):
        os.kill(pid, signal.SIGKILL)
    described = jobs.wait(app_id, timeout=10)
    assert (described.state, described.msg) == (
        AppState.FAILED,
        "the job's supervisor and guardian processes are gone; all that could be found of the job was killed, "
        "but a process that had left its session and its environment may still run",
    )
    assert jobs.processes(app_id) == []


def test_killing_both_watchers_leaves_nobody_who_has_another_environment(jobs: Jobs) -> None:
    mine = f"sleep 10000.{os.getpid()}"
    app_id = jobs.submit(shell(f"echo up; (env -i {mine} &); exec env -i {mine}", num_replicas=2))
    until(lambda: jobs.lines(app_id) and _anybody(mine))
    for pid in jobs.watchers(app_id):
        os.kill(pid, signal.SIGSTOP)
    for pid in jobs.watchers(app_id):
        os.kill(pid, signal.SIGKILL)
    assert jobs.wait(app_id, timeout=10).state is AppState.FAILED
    assert not _anybody(mine)


def test_lines_in_the_pipe_survive_the_supervisor(jobs: Jobs) -> None:
    code = (
        "echo begin; while [ ! -e go ]; do sleep 0.01; done; echo in the pipe; printf rest; touch written; sleep 1000"
    )
    app_id = jobs.submit(shell(code))
    until(lambda: jobs.lines(app_id))
    supervisor = jobs.watchers(app_id)[0]
    os.kill(supervisor, signal.SIGSTOP)
    Path("go").touch()
    until(Path("written").exists)
    os.kill(supervisor, signal.SIGKILL)
    assert jobs.wait(app_id).state is AppState.FAILED
    assert jobs.lines(app_id) == ["begin\n", "in the pipe\n", "rest"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("nosuchprogram",), "entrypoint `nosuchprogram` of role `w` was not found on PATH"),
        (("./nosuch.sh",), "entrypoint `./nosuch.sh` of role `w` does not exist"),
        (("./plain",), "entrypoint `./plain` of role `w` may not be executed"),
        (("./empty",), "`./empty` is no program"),
        (("python", "nosuch.py"), "script `nosuch.py` of role `w` does not exist"),
        (("python", "-u", "-X", "dev", "nosuch.py", "x.py"), "script `nosuch.py` of role `w` does not exist"),
        (
            ("sh", "-c", 'exec "$@"', "torchrun", "--nnodes=1", "nosuch.py"),
            "script `nosuch.py` of role `w` does not exist",
        ),
        (
            ("sh", "-c", 'exec "$0" --here "$@"', "nosuchprogram", "x.py"),
            "entrypoint `nosuchprogram` of role `w` was not found on PATH",
        ),
        (
            ("sh", "-c", 'a=$1; shift; exec "$0" --here "$@"', "nosuchprogram", "x.py"),
            "entrypoint `nosuchprogram` of role `w` was not found on PATH",
        ),
        (("./nosuch/torchrun", "nosuch.py"), "script `nosuch.py` of role `w` does not exist"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_what_can_not_start_is_one_error_and_leaves_nothing(
    jobs: Jobs, home: Path, command: tuple[str, ...], message: str
) -> None:
    Path("plain").write_text("x")
    Path("empty").write_text("x")
    Path("empty").chmod(0o755)
    long_sleep = f"sleep 10000.{os.getpid()}"  # told from those of other tests
    with pytest.raises(TorchXError) as error:
        jobs.submit(role(*long_sleep.split(), name="v"), role(*command))
    assert str(error.value).startswith(message)
    assert not (home / "local").exists() or not [*(home / "local").iterdir()]
    assert not _anybody(long_sleep)


def test_log_dir_that_can_not_be_written_is_one_error(jobs: Jobs, home: Path) -> None:
    with pytest.raises(TorchXError, match=r"can't write logs to /proc/nowhere/job-.*: "):
        jobs.submit(role("echo"), log_dir="/proc/nowhere")
    assert [*(home / "local").iterdir()] == []


def test_home_that_can_not_be_written_is_one_error(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_HOME", "/proc/nowhere")
    with pytest.raises(TorchXError, match="can't write the job's records to /proc/nowhere/local: "):
        jobs.submit(role("echo"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a file system can't be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(folder: Path) -> None:
    with open(folder / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def test_full_disk_at_submission_is_one_error(jobs: Jobs, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(small_disk))
    _fill(small_disk)
    with pytest.raises(TorchXError, match="No space left on device"):
        jobs.submit(role("echo"))
    left = [*(small_disk / "local").iterdir()] if (small_disk / "local").exists() else []
    assert left == []


def test_disk_that_fills_up_fails_the_job_with_the_reason(
    jobs: Jobs, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(small_disk))
    app_id = jobs.submit(shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"))
    described = jobs.wait(app_id, timeout=60)
    assert (described.state, described.msg) == (AppState.FAILED, "can't write the job's logs: No space left on device")
    assert jobs.processes(app_id) == []


def test_disk_that_has_room_again_in_time_loses_no_line(jobs: Jobs, small_disk: Path, tmp_path: Path) -> None:
    app_id = jobs.submit(
        shell(
            f"touch {tmp_path}/up; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; seq 20000; touch {tmp_path}/end"
        ),
        log_dir=str(small_disk),
    )
    until((tmp_path / "up").exists)
    _fill(small_disk)
    (tmp_path / "go").touch()
    time.sleep(0.5)  # the disk stays full for a while: there is nothing to wait for
    (small_disk / "filler").unlink()
    assert jobs.wait(app_id).state is AppState.SUCCEEDED
    assert jobs.lines(app_id) == [f"{i}\n" for i in range(1, 20001)]


@pytest.fixture
def portable(monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc, epoll and prctl are switched off, as on macOS: here, and in the supervisors."""
    monkeypatch.setenv("TORCHX_LOCAL_PORTABLE", "1")
    monkeypatch.setattr(proctree, "PORTABLE", True)


@pytest.mark.usefixtures("portable")
def test_portable_cancel_ends_stubborn_processes(jobs: Jobs) -> None:
    app_id = jobs.submit(shell("trap '' TERM; (trap '' TERM; sleep 1000) & echo up; sleep 1000; sleep 1000"))
    until(lambda: jobs.lines(app_id))
    assert len(jobs.processes(app_id)) >= 3
    jobs.scheduler.cancel(app_id)
    assert jobs.wait(app_id).state is AppState.CANCELLED
    assert jobs.processes(app_id) == []


@pytest.mark.usefixtures("portable")
def test_portable_cancel_ends_processes_that_left_their_session(jobs: Jobs) -> None:
    app_id = jobs.submit(shell("setsid sh -c \"trap '' TERM; sleep 1000 & echo up; sleep 1000\" & wait"))
    until(lambda: jobs.lines(app_id))
    assert len(jobs.processes(app_id)) >= 3
    jobs.scheduler.cancel(app_id)
    assert jobs.wait(app_id).state is AppState.CANCELLED
    assert jobs.processes(app_id) == []


@pytest.mark.usefixtures("portable")
@pytest.mark.parametrize("victim", [0, 1], ids=["supervisor", "guardian"])
def test_portable_killed_watcher_takes_the_job_with_it(jobs: Jobs, victim: int) -> None:
    app_id = jobs.submit(shell("(sleep 1000) & echo up; sleep 1000; sleep 1000"))
    until(lambda: jobs.lines(app_id))
    os.kill(jobs.watchers(app_id)[victim], signal.SIGKILL)
    assert jobs.wait(app_id).state is AppState.FAILED
    until(lambda: not jobs.processes(app_id), timeout=10)


@pytest.mark.usefixtures("portable")
def test_portable_job_of_several_replicas_is_whole(jobs: Jobs) -> None:
    app_id = jobs.submit(shell("seq 1000; exit 0", num_replicas=20, max_retries=1))
    assert jobs.wait(app_id).state is AppState.SUCCEEDED
    assert all(jobs.lines(app_id, k=k) == [f"{i}\n" for i in range(1, 1001)] for k in range(20))


def test_process_table_by_ps_agrees_with_proc() -> None:
    me = os.getpid()
    by_proc, by_ps = proctree._from_proc(me), proctree._from_ps(me)[me]
    assert by_proc is not None
    assert (by_proc.parent, by_proc.group, by_proc.zombie) == (by_ps.parent, by_ps.group, by_ps.zombie)


def test_two_hundred_jobs_live_at_once(jobs: Jobs) -> None:
    for _ in range(200):
        jobs.submit(role("sleep", "1000"))
    states = jobs.scheduler.describe_many(jobs.ids)
    assert {described.state for described in states.values() if described} == {AppState.RUNNING}
    assert len(jobs.scheduler.list()) == 200


def _anybody(command: str) -> bool:
    out = subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True).stdout
    return any(line.strip() == command for line in out.splitlines())


def test_python_of_the_submitter_is_found_last(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    app_id = jobs.submit(shell("echo $PATH"))
    jobs.wait(app_id)
    assert jobs.lines(app_id) == [f"/usr/bin:/bin:{os.path.dirname(sys.executable)}\n"]
