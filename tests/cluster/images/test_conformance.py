"""The workspace builders ``docker`` and ``oci`` do what every builder must, with real engines and registries."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.images.tools import checked, import_image, root_archive, unpacked
from torchx.specs.api import AppDef
from torchx.testing import WorkspaceConformance
from torchx_docker.workspace.docker_workspace import DockerWorkspaceMixin
from torchx_docker.workspace.oci_workspace import OciWorkspaceMixin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.cluster.docker.engine import Client
    from tests.cluster.images.registry import RegistryProcess
    from torchx.specs.api import CfgVal, Role

WORKING_DIR = "/srv/app"

_numbers = itertools.count()


@pytest.fixture(scope="module")
def base(
    docker_clients: list[Client],
    docker_host: str,
    image_registry: RegistryProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """A base image in the registry and in the engine."""
    archive = tmp_path_factory.mktemp("base") / "base.tar"
    archive.write_bytes(root_archive({"srv/app": (0o755, 0)}, {}))
    name = f"{image_registry.name}/conformance/base:1"
    import_image(docker_clients[0], docker_host, name, archive, f"WORKDIR {WORKING_DIR}")
    return name


@pytest.fixture
def unpack(docker_clients: list[Client], docker_host: str, tmp_path: Path) -> Iterator[Callable[[Role], Path]]:
    with contextlib.ExitStack() as cleanup:

        def open_image(role: Role) -> Path:
            target = tmp_path / f"unpacked{next(_numbers)}"
            if "@" in role.image:
                checked(docker_clients[0], docker_host, "pull", "-q", role.image)
            return cleanup.enter_context(unpacked(docker_clients[0], docker_host, role.image, WORKING_DIR, target))

        yield open_image


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docker_host: str) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", docker_host)


class TestDockerWorkspace(WorkspaceConformance):
    @pytest.fixture
    def builder(self) -> DockerWorkspaceMixin:
        return DockerWorkspaceMixin()

    @pytest.fixture
    def image(self, base: str) -> str:
        return base

    @pytest.fixture
    def unpack(self, unpack: Callable[[Role], Path]) -> Callable[[Role], Path]:
        return unpack

    @pytest.fixture
    def fingerprint(self, docker_clients: list[Client], docker_host: str) -> Callable[[], object]:
        def look() -> object:
            listed = checked(
                docker_clients[0], docker_host, "images", "-a", "--no-trunc", "--format", "{{.ID}} {{.Tag}}"
            )
            return sorted(listed.splitlines())

        return look


class PushingOciWorkspace(OciWorkspaceMixin):
    """Pushes as soon as it has built, as a scheduler does a little later."""

    def build_workspaces(self, roles: Sequence[Role], cfg: Any) -> None:
        super().build_workspaces([*roles], cfg)
        self.push_images(self.dryrun_push_images(AppDef("app", [*roles]), cfg))


class TestOciWorkspace(WorkspaceConformance):
    @pytest.fixture
    def builder(self) -> OciWorkspaceMixin:
        return PushingOciWorkspace()

    @pytest.fixture
    def cfg(self, image_registry: RegistryProcess) -> dict[str, CfgVal]:
        return {"image_repo": f"{image_registry.name}/conformance/out"}

    @pytest.fixture
    def image(self, base: str) -> str:
        return base

    @pytest.fixture
    def unpack(self, unpack: Callable[[Role], Path]) -> Callable[[Role], Path]:
        return unpack

    @pytest.fixture
    def fingerprint(self, image_registry: RegistryProcess) -> Callable[[], object]:
        return image_registry.blobs

    def test_a_dry_run_leaves_the_registry_as_it_is(
        self, base: str, image_registry: RegistryProcess, cfg: dict[str, CfgVal], source: Path
    ) -> None:
        (source / "new").write_text("never pushed")
        builder = OciWorkspaceMixin()
        before = image_registry.blobs()
        role = _role(base, source)
        builder.build_workspaces([role], cfg)
        assert list(builder.dryrun_push_images(AppDef("app", [role]), cfg)) == [role.image]
        assert image_registry.blobs() == before


def _role(image: str, source: Path) -> Role:
    from torchx.specs.api import Role, Workspace

    role = Role("worker", image, entrypoint="python")
    role.workspace = Workspace.from_str(str(source))
    return role
