"""Real servers for the tests. A server that can't be started is a failure, never a skipped test."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.docker.engine import Client, EngineProcess, engine_process, install_docker, installed_clients
from tests.cluster.docker.host_image import host_image
from tests.cluster.images.context_recorder import context_recorder
from tests.cluster.images.registry import RegistryProcess, install_registry, registry_with_passwords, running_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.images.context_recorder import ContextRecorder


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
