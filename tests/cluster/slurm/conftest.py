"""A real Slurm cluster for the tests. One that can't be started is a failure, never a skipped test."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from tests.cluster.slurm.cluster import SlurmCluster, install_slurm, running_cluster
from tests.cluster.slurm.commands import WrappedCommands
from tests.cluster.slurm.jobs import SlurmJobs
from torchx.specs.api import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchx.specs.api import CfgVal
    from torchx_slurm.scheduler import SlurmScheduler


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A Slurm cluster of our own."""
    install_slurm()
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def slurm(slurm_cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> SlurmCluster:
    """The Slurm cluster, all of which runs; this process and its children find it."""
    slurm_cluster.repair()
    for name in [name for name in os.environ if name not in slurm_cluster.env]:
        monkeypatch.delenv(name)
    for name, value in slurm_cluster.env.items():
        monkeypatch.setenv(name, value)
    return slurm_cluster


@pytest.fixture
def commands(slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WrappedCommands:
    """Slurm's commands as this process and its children find them; the jobs themselves find the real ones."""
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{slurm.env['PATH']}")
    return WrappedCommands(folder)


@pytest.fixture
def slurm_options() -> dict[str, CfgVal]:
    """Options of all jobs of a test."""
    return {}


@pytest.fixture
def slurm_scheduler(slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmScheduler]:
    """The scheduler under test, with a home folder of its own."""
    from torchx_slurm.scheduler import create_scheduler

    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    with contextlib.closing(create_scheduler("test")) as scheduler:
        yield scheduler


@pytest.fixture
def slurm_jobs(
    slurm: SlurmCluster, slurm_scheduler: SlurmScheduler, slurm_options: dict[str, CfgVal]
) -> Iterator[SlurmJobs]:
    """Jobs on the Slurm cluster, which are gone at the end of the test."""
    resource = Resource(cpu=1, gpu=0, memMB=64)
    jobs = SlurmJobs(slurm_scheduler, cfg=slurm_options, image="", resource=resource, timeout=60)
    yield jobs
    slurm.repair()
    jobs.clean_up()
