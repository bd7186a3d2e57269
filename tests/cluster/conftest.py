"""Real servers for the tests. A server that can't be started is a failure, never a skipped test."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.context_recorder import context_recorder
from tests.cluster.docker_engine import Client, install_docker, installed_clients, running_engine
from tests.cluster.slurm_cluster import SlurmCluster, install_slurm, running_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.context_recorder import ContextRecorder


@pytest.fixture(scope="session")
def docker_clients() -> list[Client]:
    """The Docker clients of this machine, the newest first."""
    install_docker()
    return installed_clients()


@pytest.fixture(scope="session")
def docker_host(docker_clients: list[Client]) -> Iterator[str]:
    """The address of a Docker engine of our own."""
    with running_engine() as host:
        yield host


@pytest.fixture(scope="session")
def recorder() -> Iterator[ContextRecorder]:
    """A stand-in for an engine that notes what clients send it."""
    with tempfile.TemporaryDirectory() as folder, context_recorder(Path(folder, "socket")) as server:
        yield server


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A Slurm cluster of our own."""
    install_slurm()
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def slurm(slurm_cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    """The Slurm cluster, which this process and its children find; all of its parts run before and after the test."""
    slurm_cluster.repair()
    for name, value in slurm_cluster.env.items():
        monkeypatch.setenv(name, value)
    yield slurm_cluster
    slurm_cluster.repair()
