"""What others do to jobs, and what becomes of jobs where nobody asked for it, is told as it was."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster.slurm.test_states import forgotten, replica_states, waited_for
from torchx.errors import TorchXError, TransientError
from torchx.specs.api import AppState
from torchx.testing.waiting import until
from torchx_slurm.scheduler import create_scheduler

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.slurm.cluster import SlurmCluster
    from tests.cluster.slurm.commands import WrappedCommands
    from tests.cluster.slurm.jobs import SlurmJobs


@pytest.mark.parametrize("component", [0, 1])
def test_cancelled_component_cancels_the_job(slurm: SlurmCluster, slurm_jobs: SlurmJobs, component: int) -> None:
    """At once, and no role is told to have succeeded whose shell went on when its program was ended."""
    app_id = slurm_jobs.submit(*(slurm_jobs.role("sleep 600; exit 0", name=name) for name in ("w", "b")))
    running = [AppState.RUNNING] * 2
    until(lambda: replica_states(slurm_jobs.describe(app_id)) == running, 60, "both roles")
    slurm.command("scancel", f"{app_id}+{component}")
    slurm_jobs.timeout = 30
    described = slurm_jobs.end(app_id)
    assert (described.state, described.msg) == (AppState.CANCELLED, "")
    assert replica_states(described) == [AppState.CANCELLED] * 2
    until(lambda: slurm.command("squeue", "--noheader") == "", 20, "the nodes to be free")


def test_full_folder_is_told_when_the_job_begins(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    small = slurm.small_disk
    app_id = slurm_jobs.submit_with(slurm_jobs.role("true"), sbatch={"hold": True}, job_dir=str(small))
    with contextlib.suppress(OSError), (small / "full").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    slurm.command("scontrol", "release", app_id)
    described = waited_for(slurm_jobs, app_id)
    log = slurm_jobs.lines(app_id, should_tail=False)
    for path in small.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert described.state == AppState.FAILED
    assert described.msg.startswith(f"nothing could be written to {small}")
    assert "job_dir" in described.msg
    assert log == [f"batch.log: {described.msg}\n"]


def test_partition_with_the_words_of_an_outage_is_refused_at_once(slurm_jobs: SlurmJobs) -> None:
    began = time.monotonic()
    with pytest.raises(TorchXError) as caught:
        slurm_jobs.submit_with(slurm_jobs.role("true"), partition="communication-lab temporarily: connection refused")
    assert not isinstance(caught.value, TransientError)
    assert "slurmctld" not in (caught.value.hint or "")
    assert time.monotonic() - began < 10


def test_command_that_hangs_is_given_up(slurm_jobs: SlurmJobs, commands: WrappedCommands) -> None:
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    commands.replace("squeue", "exec sleep 600")
    commands.replace("sacct", "exec sleep 600")
    began = time.monotonic()
    command = [sys.executable, "-m", "torchx", "status", f"slurm://torchx/{app_id}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert time.monotonic() - began < 35
    commands.restore()
    assert "UNKNOWN" in done.stdout, done
    assert "did not end within" in done.stdout


def test_parts_are_known_by_the_ids_that_squeue_prints(slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.submit(slurm_jobs.role("exit 3", name="bad"), slurm_jobs.role("sleep 600", name="good"))
    slurm_jobs.end(app_id)
    for k in range(2):
        described = slurm_jobs.describe(f"{app_id}+{k}")
        assert (described.app_id, described.state) == (f"{app_id}+{k}", AppState.FAILED)
    assert slurm_jobs.scheduler.describe(f"{app_id}+2") is None


def test_status_without_sacct(slurm_jobs: SlurmJobs, slurm: SlurmCluster, tmp_path: Path) -> None:
    app_id = slurm_jobs.run("exit 3")
    slurm_jobs.end(app_id)
    here = tmp_path / "without"
    here.mkdir()
    for name in ("squeue", "scontrol", "sh", "id"):
        found = shutil.which(name, path=slurm.env["PATH"])
        assert found is not None
        (here / name).symlink_to(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(here))
        described = create_scheduler("test").describe(app_id)
        listed = {app.app_id: app.state for app in create_scheduler("test").list()}
    assert described is not None
    assert described.msg.endswith(": exit code 3")
    assert listed[app_id] == AppState.FAILED


def test_list_tells_the_names_that_were_given(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    """The accounting of this cluster can't keep all letters."""
    app_id = slurm_jobs.submit(slurm_jobs.role("true"), name="b\N{ROCKET}?")
    slurm_jobs.end(app_id)
    until(lambda: "COMPLETED" in slurm.command("sacct", "--jobs", app_id, "--format=State"), 30, "the accounting")
    forgotten(slurm, app_id)
    names = {app.app_id: app.name for app in slurm_jobs.scheduler.list()}
    assert names[app_id] == "b\N{ROCKET}?"
