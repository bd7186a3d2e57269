"""How often a real Slurm is asked by who waits for a job and follows it, and what is told of jobs without a log."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster.slurm.cluster import running_cluster
from torchx.specs.api import AppState
from torchx.testing.waiting import until
from torchx_slurm.scheduler import create_scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.slurm.cluster import SlurmCluster
    from tests.cluster.slurm.commands import WrappedCommands
    from tests.cluster.slurm.jobs import SlurmJobs
    from torchx_slurm.scheduler import SlurmScheduler

#: Seconds between two questions at least; until the end of a job is told at most; that a command may take at most.
DISTANCE, LATE, LIMIT = 10, 6, 120


def asked(commands: WrappedCommands) -> list[str]:
    """The calls that Slurm's daemons had to answer."""
    calls = [call for name in ("squeue", "sacct", "scontrol", "sinfo") for call in commands.calls(name)]
    return [call for call in calls if "--version" not in call]


def torchx(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torchx", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)


@pytest.mark.parametrize(("seconds", "code"), [(2, 0), (2, 3), (14, 0)], ids=["short", "short, fails", "longer"])
def test_running_with_wait_and_log_asks_once_in_ten_seconds(
    slurm_jobs: SlurmJobs, commands: WrappedCommands, tmp_path: Path, seconds: int, code: int
) -> None:
    """And the end is told at once: it stands in the job's folder."""
    began = time.monotonic()
    script = f"echo hello; sleep {seconds}; date +%s >{tmp_path}/end; exit {code}"
    options = ("-s", "slurm", "--wait", "--log", "--workspace", "")
    done = torchx("run", *options, "utils.sh", "--", "sh", "-c", script)
    told, took = time.time(), time.monotonic() - began
    slurm_jobs.own(done.stdout.split()[0].rsplit("/", 1)[1])
    assert done.returncode == (1 if code else 0), done.stderr
    assert "sh/0 hello\n" in done.stderr
    assert len(asked(commands)) <= 1 + took // DISTANCE, asked(commands)
    assert told - int((tmp_path / "end").read_text()) < LATE


def test_status_of_a_fresh_process_asks_at_once(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, commands: WrappedCommands
) -> None:
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    slurm.command("scontrol", "suspend", app_id)
    commands.forget()
    done = torchx("status", f"slurm://torchx/{app_id}")
    assert "suspended" in done.stdout, done
    assert len(asked(commands)) == 1
    slurm.command("scontrol", "resume", app_id)


def test_end_that_only_slurm_can_explain_is_asked_for(slurm_jobs: SlurmJobs) -> None:
    """Exit codes of signals do not tell whose: nobody may take a job that was cancelled for one that failed."""
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    slurm_jobs.scheduler.cancel(app_id)
    end = time.monotonic() + LIMIT
    while (polled := slurm_jobs.scheduler.poll(app_id)) and polled.state is AppState.RUNNING and time.monotonic() < end:
        time.sleep(0.1)
    assert polled is not None
    assert polled.state is AppState.CANCELLED


def test_log_of_a_job_that_could_not_start_its_replicas_says_why(slurm_jobs: SlurmJobs) -> None:
    app = slurm_jobs.app(slurm_jobs.role("echo never", num_replicas=2))
    app.metadata["slurm/srun"] = {"mpi": "nonsense"}  # type: ignore[assignment]  # overlays are trees
    app_id = slurm_jobs.schedule(slurm_jobs.scheduler.submit_dryrun(app, dict(slurm_jobs.cfg)))
    assert slurm_jobs.end(app_id).state == AppState.FAILED
    done = torchx("log", f"slurm://torchx/{app_id}")
    assert done.returncode == 0, done.stderr
    assert "worker/0 batch.log: srun: error:" in done.stdout
    assert "nonsense" in done.stdout
    assert "worker/1" not in done.stdout


def test_log_of_a_job_of_somebody_else_is_refused_in_one_line(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm.command("sbatch", "--parsable", "--output=/dev/null", "--chdir=/", "--wrap=sleep 600").strip()
    slurm_jobs.own(app_id)
    for handle in (f"slurm://torchx/{app_id}", f"slurm://torchx/{app_id}/trainer/0"):
        done = torchx("log", handle)
        assert (done.returncode, done.stdout) == (1, "")
        error, hint = done.stderr.splitlines()
        assert error.startswith("error: ")
        assert app_id in error
        assert "torchx" in hint


@pytest.fixture(scope="module")
def other() -> Iterator[SlurmCluster]:
    """Another cluster that this machine can reach."""
    with running_cluster(accounting=False, name="other") as cluster:
        yield cluster


def states(scheduler: SlurmScheduler, app_id: str) -> tuple[str, AppState]:
    described = scheduler.describe(app_id)
    assert described is not None
    return described.name, described.state


def test_equal_ids_of_two_clusters_are_two_jobs(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, other: SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one user with one home folder."""
    app_id = slurm_jobs.run("echo here; exec sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    other.kill("slurmctld", signal.SIGTERM)
    other.start_slurmctld(first_job=int(app_id))
    other.await_nodes()
    with monkeypatch.context() as there:
        there.setenv("SLURM_CONF", str(other.conf))
        scheduler = create_scheduler("test")
        role = slurm_jobs.role("echo there; exit 3", name="trainer")
        app = slurm_jobs.app(role, name="other")
        assert scheduler.schedule(scheduler.submit_dryrun(app, {})) == app_id
        assert [*scheduler.log_iter(app_id, "trainer", should_tail=True)] == ["there\n"]
        # Slurm itself needs a moment after the last line.
        until(lambda: states(scheduler, app_id) == ("other", AppState.FAILED), 30, "the end of the other job")
    fresh = create_scheduler("test").describe(app_id)
    assert fresh is not None
    assert (fresh.state, [role.name for role in fresh.roles]) == (AppState.RUNNING, ["worker"])
    assert slurm_jobs.lines(app_id, should_tail=False) == ["here\n"]
    with monkeypatch.context() as there:
        there.setenv("SLURM_CONF", str(other.conf))
        create_scheduler("test").delete(app_id)
        assert create_scheduler("test").describe(app_id) is None
    assert slurm_jobs.lines(app_id, should_tail=False) == ["here\n"]
