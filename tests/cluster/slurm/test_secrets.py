"""What other users of a cluster can see of a job: neither its environment nor its files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.slurm.config import OTHER_USER
from torchx.specs.api import AppState
from torchx.testing.waiting import until

if TYPE_CHECKING:
    from tests.cluster.slurm.cluster import SlurmCluster
    from tests.cluster.slurm.commands import WrappedCommands
    from tests.cluster.slurm.jobs import SlurmJobs

SECRET = "s3cr3t-4f9c27a1-value"


@pytest.fixture
def running(slurm_jobs: SlurmJobs) -> str:
    """A job of two roles with a secret in its environment."""
    roles = [
        slurm_jobs.role('echo "${#API_TOKEN}"; sleep 600', name=name, env={"API_TOKEN": SECRET})
        for name in ("one", "two")
    ]
    app_id = slurm_jobs.submit(*roles)
    slurm_jobs.reach(app_id, AppState.RUNNING)
    for name in ("one", "two"):
        assert next(iter(slurm_jobs.scheduler.log_iter(app_id, name, should_tail=True))) == f"{len(SECRET)}\n"
    return app_id


@pytest.mark.usefixtures("running")
def test_secret_is_on_no_command_line() -> None:
    found = [path for path in Path("/proc").glob("[0-9]*/cmdline") if SECRET.encode() in _read(path)]
    assert found == []


def test_secret_is_on_no_command_line_of_the_submission(slurm_jobs: SlurmJobs, commands: WrappedCommands) -> None:
    slurm_jobs.end(slurm_jobs.run("true", env={"API_TOKEN": SECRET}))
    assert commands.calls("sbatch")
    assert SECRET not in commands.log.read_text()


@pytest.mark.parametrize("user", [None, OTHER_USER], ids=["the user", "another user"])
def test_slurm_shows_no_secret(slurm: SlurmCluster, running: str, user: str | None) -> None:
    until(lambda: running in slurm.command("sacct", "--allusers", "--parsable2", user=user), 30, "the accounting")
    for command in (
        ("scontrol", "--details", "--details", "show", "job", running),
        ("squeue", "--all", "--format=%all"),
        ("squeue", "--json"),
        ("sacct", "--allusers", "--parsable2", "--format=ALL"),
        ("sacct", "--allusers", "--json"),
    ):
        assert SECRET not in slurm.command(*command, user=user), command


def test_another_user_reads_neither_script_nor_files(slurm: SlurmCluster, running: str, tmp_path: Path) -> None:
    assert slurm.command("scontrol", "write", "batch_script", running, "-", user=OTHER_USER) == ""
    holders = [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in _read(path)]
    assert holders, "the environment has to be somewhere"
    for path in holders:
        assert path.stat().st_mode & 0o077 == 0, path
        assert any(folder.stat().st_mode & 0o077 == 0 for folder in path.parents)


def test_the_job_s_script_has_no_secret(slurm: SlurmCluster, running: str) -> None:
    """Sites can keep scripts in the accounting, where administrators read them."""
    assert SECRET not in slurm.command("scontrol", "write", "batch_script", running, "-")


def test_the_dry_run_hides_the_secret(slurm_jobs: SlurmJobs) -> None:
    info = slurm_jobs.dryrun(slurm_jobs.app(slurm_jobs.role("true", env={"API_TOKEN": SECRET})))
    assert SECRET not in str(info)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
