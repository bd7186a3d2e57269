"""Real servers for the tests. A server that can't be started is a failure, never a skipped test."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.context_recorder import context_recorder
from tests.cluster.docker_engine import Client, EngineProcess, engine_process, install_docker, installed_clients
from tests.cluster.host_image import host_image
from tests.cluster.image_registry import RegistryProcess, install_registry, registry_with_passwords, running_registry
from tests.cluster.slurm_cluster import SlurmCluster, install_slurm, running_cluster
from tests.cluster.slurm_commands import WrappedCommands
from tests.cluster.slurm_jobs import SlurmJobs
from torchx.specs.api import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.context_recorder import ContextRecorder
    from torchx.specs.api import CfgVal
    from torchx_slurm.scheduler import SlurmScheduler


@pytest.fixture(scope="session")
def docker_clients() -> list[Client]:
    """The Docker clients of this machine, the newest first."""
    install_docker()
    return installed_clients()


@pytest.fixture(scope="session")
def docker(docker_clients: list[Client]) -> Iterator[EngineProcess]:
    """A Docker engine of our own. Who kills it starts it again."""
    with engine_process() as engine:
        yield engine


@pytest.fixture(scope="session")
def docker_host(docker: EngineProcess) -> str:
    """The engine's address."""
    return docker.host


@pytest.fixture(scope="session")
def tools_image(docker_clients: list[Client], docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with a shell and the usual small tools, in the engine."""
    archive = tmp_path_factory.mktemp("image") / "tools.tar"
    archive.write_bytes(host_image())
    docker_clients[0].run(docker_host, "import", str(archive), "tools:1").check_returncode()
    return "tools:1"


@pytest.fixture(scope="session")
def image_registry() -> Iterator[RegistryProcess]:
    """A registry that anybody may use."""
    install_registry()
    with running_registry() as registry:
        yield registry


@pytest.fixture(scope="session")
def locked_registry() -> Iterator[RegistryProcess]:
    """A registry that wants a name and a password."""
    install_registry()
    with registry_with_passwords() as registry:
        yield registry


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
