"""Parts of a real cluster die while jobs are submitted, waited for and followed."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.cluster.slurm.cluster import PATH
from tests.cluster.slurm.jobs import start_now
from tests.cluster.slurm.ssh_server import HOST, SshServer
from tests.cluster.slurm.test_states import LOST, forgotten
from torchx.errors import TorchXError, TransientError
from torchx.runner import get_runner
from torchx.schedulers.api import build_workspaces
from torchx.schedulers.batch.scheduler import CANCEL_TIMEOUT
from torchx.specs.api import AppState, Resource, Workspace, is_terminal
from torchx.testing.waiting import until, within
from torchx_slurm.scheduler import create_scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.slurm.cluster import SlurmCluster
    from tests.cluster.slurm.commands import WrappedCommands
    from tests.cluster.slurm.jobs import SlurmJobs
    from torchx.specs.api import AppDryRunInfo, CfgVal

T = TypeVar("T")

#: Seconds that the controller is away.
AWAY = 6
#: Seconds in which a submission must have given up.
GIVES_UP = 240

LOST_ANSWER = """
if [ -e "$0.done" ]; then exec $real "$@"; fi
touch "$0.done"
$real "$@" >/dev/null
echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2
exit 1
"""
TRANSIENT = """
if [ -e "$0.done" ]; then exec $real "$@"; fi
touch "$0.done"
echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2
exit 1
"""


SCHEDULE = """
import pickle, sys
from torchx.specs.api import AppDryRunInfo
from torchx_slurm.scheduler import create_scheduler
request = pickle.load(open(sys.argv[1], "rb"))
create_scheduler("test").schedule(AppDryRunInfo(request, repr))
"""


def submitted(slurm: SlurmCluster, info: AppDryRunInfo[Any]) -> list[str]:
    """The jobs that came of a dry run, and have not ended."""
    lines = slurm.command("squeue", "--noheader", "--format=%i %k").splitlines()
    return [line.split()[0] for line in lines if f"torchx:{info.request.key}" in line]


def while_away(slurm: SlurmCluster, do: Callable[[], T]) -> T:
    """What a function returns during which the controller is killed, and comes back after a while."""
    slurm.kill("slurmctld")
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(do)
        time.sleep(AWAY)
        slurm.start_slurmctld()  # here: it ends with the thread that starts it
        return doing.result(120)


def test_submission_waits_for_a_controller_that_comes_back(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    info = slurm_jobs.dryrun(slurm_jobs.app(slurm_jobs.role("echo hello")))
    app_id = while_away(slurm, lambda: slurm_jobs.schedule(info))
    assert slurm_jobs.lines(app_id) == ["hello\n"]
    assert [*slurm_jobs.new()] == [app_id]


def test_id_that_a_killed_controller_forgot_is_not_given_again(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    """A condition of all tests here: nodes refuse a job whose id they have seen end, and lists would mix the two up."""
    forgotten_ids = [slurm_jobs.run("true") for _ in range(2)]
    slurm.kill("slurmctld")
    slurm.repair()
    app_id = slurm_jobs.run("echo hello")
    assert int(app_id) > max(map(int, forgotten_ids))
    assert slurm_jobs.lines(app_id) == ["hello\n"]


def test_submission_gives_up_in_the_end_and_leaves_no_job(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    info = slurm_jobs.dryrun(slurm_jobs.app(slurm_jobs.role("sleep 600")))
    slurm.kill("slurmctld", signal.SIGTERM)
    with pytest.raises(TorchXError) as caught:
        within(GIVES_UP, lambda: slurm_jobs.scheduler.schedule(info), "the submission")
    assert "\n" not in caught.value.message
    assert "slurm" in caught.value.message.lower()
    slurm.repair()
    assert submitted(slurm, info) == []
    app_id = slurm_jobs.schedule(info)
    assert submitted(slurm, info) == [app_id]
    slurm_jobs.reach(app_id, AppState.RUNNING)


@pytest.mark.parametrize("code", [LOST_ANSWER, TRANSIENT], ids=["the job exists", "there is no job"])
def test_lost_answer_of_sbatch_makes_no_second_job(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, commands: WrappedCommands, code: str
) -> None:
    commands.replace("sbatch", code)
    app_id = slurm_jobs.run("echo once")
    assert slurm_jobs.lines(app_id) == ["once\n"]
    assert len(slurm.command("squeue", "--noheader", "--states=all", "--format=%i").split()) >= 1
    assert [*slurm_jobs.new()] == [app_id]
    assert [*slurm_jobs.new()] == [app_id]


def test_lost_answer_is_found_whatever_the_user_filters(
    slurm_jobs: SlurmJobs, commands: WrappedCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUEUE_ACCOUNT", "chemistry")
    commands.replace("sbatch", LOST_ANSWER)
    app_id = slurm_jobs.run("sleep 600")
    assert [*slurm_jobs.new()] == [app_id]


def test_killed_shell_of_a_role_fails_the_job(slurm_jobs: SlurmJobs) -> None:
    """The batch script itself goes on then, and has to see it."""
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    script = f"job{int(app_id):05}/slurm_script"

    def shell() -> int | None:
        table = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in table.splitlines() if line.endswith(script)]
        pids = {row[0] for row in rows}
        return next((int(row[0]) for row in rows if row[1] in pids), None)

    looks: list[int | None] = [None]

    def stays() -> bool:  # the script has children for a moment, too
        looks.append(shell())
        return looks[-1] is not None and looks[-1] == looks[-2]

    until(stays, 30, "the role's shell")
    assert looks[-1] is not None
    os.kill(looks[-1], signal.SIGKILL)
    status = slurm_jobs.end(app_id)
    assert status.state == AppState.FAILED
    assert {replica.state for role in slurm_jobs.describe(app_id).roles_statuses for replica in role.replicas} <= {
        AppState.FAILED,
        AppState.CANCELLED,
    }


def test_lost_answer_is_found_again_by_another_process(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, commands: WrappedCommands, tmp_path: Path
) -> None:
    """The first process died between the submission and its note about it."""
    info = slurm_jobs.dryrun(slurm_jobs.app(slurm_jobs.role("sleep 600")))
    commands.replace("sbatch", '$real "$@" >/dev/null; kill -9 $PPID; exit 1')
    path = tmp_path / "request"
    path.write_bytes(pickle.dumps(info.request))
    first = subprocess.run([sys.executable, "-c", SCHEDULE, str(path)], capture_output=True, text=True, check=False)
    assert first.returncode == -signal.SIGKILL, first.stderr
    commands.restore()
    app_id = slurm_jobs.schedule(info)
    slurm_jobs.reach(app_id, AppState.RUNNING)
    assert submitted(slurm, info) == [app_id]


def test_waiting_survives_the_controller(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    with get_runner("test") as runner:
        app_id = slurm_jobs.run(f"sleep {AWAY * 2}")
        slurm_jobs.reach(app_id, AppState.RUNNING)
        slurm.await_saved()
        status = while_away(slurm, lambda: runner.wait(f"slurm://test/{app_id}", wait_interval=1))
    assert status is not None
    assert status.state == AppState.SUCCEEDED


def test_state_is_unknown_without_a_controller(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    slurm.await_saved()
    slurm.kill("slurmctld")
    described = slurm_jobs.describe(app_id)
    assert described.state == AppState.UNKNOWN
    assert "controller" in described.msg
    slurm.repair()
    assert slurm_jobs.describe(app_id).state == AppState.RUNNING


def test_following_survives_the_controller(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.run(f"for n in $(seq {AWAY * 2}); do echo $n; sleep 1; done")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    slurm.await_saved()
    lines = while_away(slurm, lambda: slurm_jobs.lines(app_id))
    assert lines == [f"{n + 1}\n" for n in range(AWAY * 2)]


def test_without_accounting_slurmctld_is_asked(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    slurm.kill("slurmdbd")
    good, bad = slurm_jobs.run("true"), slurm_jobs.run("exit 4")
    assert slurm_jobs.end(good).state == AppState.SUCCEEDED
    assert slurm_jobs.end(bad).state == AppState.FAILED
    assert {good, bad} <= set(slurm_jobs.new())
    running = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(running, AppState.RUNNING)
    slurm_jobs.scheduler.cancel(running)
    assert slurm_jobs.end(running).state == AppState.CANCELLED


def test_what_only_the_accounting_knows_is_unknown_while_it_is_away(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    """Never gone: `None` would say that there is no such job. What the job itself wrote down may still tell its end."""
    app_id = slurm_jobs.run("true")
    slurm_jobs.end(app_id)
    forgotten(slurm, app_id)
    slurm.kill("slurmdbd")
    assert slurm_jobs.describe(app_id).state in (AppState.UNKNOWN, AppState.SUCCEEDED)
    slurm.repair()
    assert slurm_jobs.describe(app_id).state == AppState.SUCCEEDED


def test_dead_node_fails_the_job_and_is_named(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("echo ready; exec sleep 600", num_replicas=2)
    role.resource = Resource(cpu=16, gpu=0, memMB=64)
    app_id = slurm_jobs.submit_with(role, constraint="fast")
    for k in range(2):
        assert next(iter(slurm_jobs.scheduler.log_iter(app_id, "worker", k, should_tail=True))) == "ready\n"
    slurm.kill_node("n4")
    slurm_jobs.timeout = LOST
    described = slurm_jobs.end(app_id)
    assert described.state == AppState.FAILED
    assert "a node failed: n4" in described.msg
    assert "n3" not in described.msg
    assert slurm_jobs.lines(app_id, k=1) == ["ready\n"]


def test_dead_node_of_one_role_fails_the_job(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    roles = [slurm_jobs.role("sleep 600", name=name) for name in ("one", "two")]
    roles[1].resource = Resource(cpu=16, gpu=0, memMB=64)
    app_id = slurm_jobs.submit(*roles)
    slurm_jobs.reach(app_id, AppState.RUNNING)
    nodes = slurm.command("squeue", "--noheader", "--format=%i %N").split()
    slurm.kill_node(dict(zip(nodes[::2], nodes[1::2], strict=True))[f"{app_id}+1"])
    slurm_jobs.timeout = LOST
    assert slurm_jobs.end(app_id).state == AppState.FAILED
    until(lambda: not slurm.command("squeue", "--noheader"), 60, "the end of the other role")


def test_dead_node_is_one_of_the_retries(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("echo try; sleep ${1}", "600")
    role.max_retries = 1
    app_id = slurm_jobs.submit_with(role, constraint="fast")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    until(lambda: slurm_jobs.lines(app_id, should_tail=False), 30, "the first try")
    slurm.kill_node(slurm.command("squeue", "--noheader", f"--jobs={app_id}", "--format=%N").strip())
    until(lambda: slurm_jobs.describe(app_id).num_restarts == 1, LOST, "the restart")
    assert slurm_jobs.describe(app_id).state == AppState.PENDING
    until(lambda: "NODE_FAIL" in slurm_jobs.describe(app_id).msg, 30, "the accounting to know the cause")
    start_now(slurm, app_id)
    slurm_jobs.reach(app_id, AppState.RUNNING)
    until(lambda: slurm_jobs.lines(app_id, should_tail=False) == ["try\n"] * 2, 30, "the second try")


def test_requeued_from_outside_runs_again(slurm: SlurmCluster, slurm_jobs: SlurmJobs, tmp_path: Path) -> None:
    role = slurm_jobs.role(f"echo try; mkdir {tmp_path}/there 2>/dev/null || exit 0; exec sleep 600")
    role.max_retries = 1
    app_id = slurm_jobs.submit(role)
    slurm_jobs.reach(app_id, AppState.RUNNING)
    until(lambda: (tmp_path / "there").exists(), 30)
    slurm.command("scontrol", "requeue", app_id)
    until(lambda: slurm_jobs.describe(app_id).state == AppState.PENDING, 60, "the job to wait again")
    described = slurm_jobs.describe(app_id)
    assert (described.num_restarts, "REQUEUED: queued again" in described.msg) == (1, True)
    start_now(slurm, app_id)
    described = slurm_jobs.end(app_id)
    assert described.state == AppState.SUCCEEDED
    assert described.num_restarts == 1
    assert slurm_jobs.lines(app_id) == ["try\n"] * 2


@pytest.fixture
def small_disk(slurm: SlurmCluster) -> Iterator[Path]:
    """A folder with little room."""
    yield slurm.small_disk
    for path in slurm.small_disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_full_disk_is_told_in_one_line_and_leaves_no_job(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, small_disk: Path
) -> None:
    with contextlib.suppress(OSError), (small_disk / "full").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(TorchXError, match="No space left on device") as caught:
        slurm_jobs.submit_with(slurm_jobs.role("true"), job_dir=str(small_disk))
    assert "\n" not in caught.value.message
    assert str(small_disk) in caught.value.message
    assert slurm.command("squeue", "--noheader") == ""
    assert slurm_jobs.new() == {}
    (small_disk / "full").unlink()
    app_id = slurm_jobs.submit_with(slurm_jobs.role("true"), job_dir=str(small_disk))
    assert slurm_jobs.end(app_id).state == AppState.SUCCEEDED


def test_disk_that_is_full_in_the_end_still_has_a_state(slurm_jobs: SlurmJobs, small_disk: Path) -> None:
    role = slurm_jobs.role("seq 1000000 || exit 1")
    app_id = slurm_jobs.submit_with(role, job_dir=str(small_disk))
    described = slurm_jobs.end(app_id)
    assert described.state == AppState.FAILED
    lines = slurm_jobs.lines(app_id, should_tail=False)
    assert lines[:3] == ["1\n", "2\n", "3\n"]


@pytest.mark.parametrize("same", [True, False], ids=["one version", "two versions"])
def test_two_submissions_into_one_job_dir_at_once(slurm_jobs: SlurmJobs, tmp_path: Path, same: bool) -> None:
    """Two shells submit the same project, or two versions of it: each job runs its own."""
    shared = tmp_path / "shared"
    shells = []
    for n in range(2):
        project = tmp_path / f"project{n}"
        project.mkdir()
        for name in ("a.txt", "b.txt"):
            (project / name).write_text(f"version {0 if same else n}\n")
        command = [sys.executable, "-m", "torchx", "run", "-s", "slurm", "-cfg", f"job_dir={shared}"]
        command += ["--workspace", str(project), "utils.sh", "--num_replicas", "2", "--", "cat", "a.txt", "b.txt"]
        shells.append(subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    ended = [shell.communicate(timeout=120) for shell in shells]
    assert [shell.returncode for shell in shells] == [0, 0], ended
    for n, (out, _) in enumerate(ended):
        app_id = out.split()[0].rsplit("/", 1)[1]
        slurm_jobs.own(app_id)
        assert slurm_jobs.end(app_id).state == AppState.SUCCEEDED
        for k in range(2):
            version = 0 if same else n
            assert slurm_jobs.lines(app_id, "sh", k) == [f"version {version}\n"] * 2


@pytest.fixture(params=["here", "over SSH"])
def placed(
    request: pytest.FixtureRequest, slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, CfgVal]]:
    """Options with a job_dir, reached directly or through a login node."""
    options: dict[str, CfgVal] = {"job_dir": str(tmp_path / "seq")}
    if request.param == "here":
        yield options
        return
    (tmp_path / "ssh").mkdir()
    server = SshServer(tmp_path / "ssh", {"SLURM_CONF": str(slurm.conf), "PATH": PATH}, PATH)
    server.start()
    monkeypatch.setenv("PATH", f"{server.bin}:{os.environ['PATH']}")
    yield {**options, "ssh_host": HOST}
    server.stop()


def test_later_submission_into_the_same_job_dir_changes_no_code_of_a_job(
    slurm: SlurmCluster, placed: dict[str, CfgVal], slurm_jobs: SlurmJobs, tmp_path: Path
) -> None:
    """Neither of one that runs nor of one that waits."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"only_in_{name}").write_text("")
        (tmp_path / name / "run.sh").write_text(f"echo code of {name}\n")

    def submit(name: str, code: str) -> str:
        role = slurm_jobs.role(code)
        role.workspace = Workspace({str(tmp_path / name): ""})
        app = slurm_jobs.app(role)
        build_workspaces(slurm_jobs.scheduler, app, placed, None)
        return slurm_jobs.schedule(slurm_jobs.scheduler.submit_dryrun(app, placed))

    runs = submit("a", f"until [ -e {tmp_path}/go ]; do sleep 0.1; done; sh ./run.sh; ls")
    slurm_jobs.reach(runs, AppState.RUNNING)
    slurm.command("scontrol", "update", "PartitionName=batch", "State=DOWN")
    waits = submit("a", "sh ./run.sh; ls")
    other = submit("b", "sh ./run.sh; ls")
    slurm.command("scontrol", "update", "PartitionName=batch", "State=UP")
    assert slurm_jobs.lines(other) == ["code of b\n", "only_in_b\n", "run.sh\n"]
    (tmp_path / "go").touch()
    for app_id in (runs, waits):
        assert slurm_jobs.lines(app_id) == ["code of a\n", "only_in_a\n", "run.sh\n"]
        assert slurm_jobs.end(app_id).state == AppState.SUCCEEDED


def test_cancel_of_a_job_on_a_dead_node(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("sleep 600")
    app_id = slurm_jobs.submit_with(role, constraint="fast")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    slurm.kill_node(slurm.command("squeue", "--noheader", f"--jobs={app_id}", "--format=%N").strip())
    slurm_jobs.scheduler.cancel(app_id)
    slurm_jobs.timeout = LOST
    assert is_terminal(slurm_jobs.end(app_id).state)


def test_cancel_gives_up_in_its_time_and_says_why(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    slurm.kill("slurmctld", signal.SIGTERM)
    began = time.monotonic()
    with pytest.raises(TransientError, match="Unable to contact slurm controller"):
        create_scheduler("test").cancel(app_id)
    assert time.monotonic() - began < CANCEL_TIMEOUT + 2
    slurm.repair()
    assert slurm_jobs.describe(app_id).state == AppState.RUNNING


def test_controller_that_forgot_a_job_does_not_have_it_run_twice(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, tmp_path: Path
) -> None:
    """It is killed before it has written down what it did. What becomes of the job is Slurm's affair, and a riddle."""
    app_id = slurm_jobs.run(f"echo run >>{tmp_path}/runs; sleep 20")
    until((tmp_path / "runs").exists, 60, "the start")
    slurm.kill("slurmctld")
    slurm.repair()
    end = time.monotonic() + 20
    while time.monotonic() < end and not is_terminal(slurm_jobs.describe(app_id).state):
        time.sleep(1)
    described = slurm_jobs.describe(app_id)
    assert described.state in (AppState.SUCCEEDED, AppState.RUNNING, AppState.FAILED), described
    assert described.state is not AppState.FAILED or "lost" in described.msg or "node" in described.msg, described
    assert (tmp_path / "runs").read_text() == "run\n"
    slurm_jobs.ids.remove(app_id)  # it may never end: only an administrator can see to that
    slurm.cancel_all()
