"""Registries that break, are full, refuse, or are not there; and two submissions at once."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.images.cutting_proxy import cutting_proxy
from tests.cluster.images.registry import PASSWORD, USER, running_registry
from tests.cluster.images.tools import checked, import_image, root_archive
from torchx.errors import TorchXError
from torchx.specs.api import AppDef, Role, Workspace
from torchx.testing.trees import TREE, make_tree
from torchx_docker.connection import EngineUnreachableError
from torchx_docker.oci.errors import ImageNotFoundError, RegistryError, RegistryLoginError
from torchx_docker.workspace.docker_workspace import DockerWorkspaceMixin
from torchx_docker.workspace.oci_workspace import OciWorkspaceMixin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.docker.engine import Client
    from tests.cluster.images.registry import RegistryProcess
    from torchx.specs.api import CfgVal
    from torchx.workspace.api import WorkspaceMixin

MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docker_host: str) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("root") / "root.tar"
    path.write_bytes(root_archive({"srv/app": (0o755, 0)}, {}))
    return path


@pytest.fixture
def base(docker_clients: list[Client], docker_host: str, image_registry: RegistryProcess, root: Path) -> str:
    """A base image in the open registry."""
    name = f"{image_registry.name}/faults/base:1"
    import_image(docker_clients[0], docker_host, name, root, "WORKDIR /srv/app")
    return name


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    make_tree(folder, TREE)
    return folder


@pytest.fixture
def large(source: Path) -> Path:
    """A workspace whose layer is 8 MB."""
    (source / "weights").write_bytes(random.Random(0).randbytes(8 * MEGABYTE))
    return source


def submit(builder: WorkspaceMixin[Any], image: str, workspace: Path, cfg: dict[str, CfgVal]) -> str:
    """Builds and pushes; the image's name."""
    role = Role("worker", image, entrypoint="sh")
    role.workspace = Workspace.from_str(str(workspace))
    builder.build_workspaces([role], cfg)
    builder.push_images(builder.dryrun_push_images(AppDef("app", [role]), cfg))
    return role.image


def log_in(registry: str, user: str, password: str) -> None:
    """Does what ``docker login`` leaves behind."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    with open(os.path.join(os.environ["DOCKER_CONFIG"], "config.json"), "w") as file:
        json.dump({"auths": {registry: {"auth": auth}}}, file)


def one_line(error: TorchXError) -> None:
    assert "\n" not in error.message
    assert error.hint


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
def test_a_push_with_the_credentials_of_docker_login(
    kind: type[WorkspaceMixin[Any]],
    docker_clients: list[Client],
    docker_host: str,
    locked_registry: RegistryProcess,
    base: str,
    source: Path,
    tmp_path: Path,
) -> None:
    log_in(locked_registry.name, USER, PASSWORD)
    image = submit(kind(), base, source, {"image_repo": f"{locked_registry.name}/{kind.__name__.lower()}"})
    with pytest.raises(AssertionError, match="no basic auth"):
        checked(docker_clients[0], docker_host, "rmi", "-f", image)
        checked(docker_clients[0], docker_host, "pull", "-q", image)
    # A base image behind a login, too.
    other = f"{locked_registry.name}/other"
    assert submit(OciWorkspaceMixin(), image, source, {"image_repo": other}).startswith(other)


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
@pytest.mark.parametrize("password", ["wrong", None], ids=["wrong", "none"])
def test_a_wrong_password(
    kind: type[WorkspaceMixin[Any]], password: str | None, locked_registry: RegistryProcess, base: str, source: Path
) -> None:
    if password:
        log_in(locked_registry.name, USER, password)
    with pytest.raises(TorchXError) as caught:
        submit(kind(), base, source, {"image_repo": f"{locked_registry.name}/wrong"})
    one_line(caught.value)
    assert f"docker login {locked_registry.name}" in str(caught.value.hint)
    assert "wrong" not in caught.value.message.replace("/wrong", "")


def test_a_wrong_password_for_the_base_image(locked_registry: RegistryProcess, source: Path) -> None:
    log_in(locked_registry.name, USER, "wrong")
    with pytest.raises(RegistryLoginError, match="does not accept the credentials"):
        submit(OciWorkspaceMixin(), f"{locked_registry.name}/base:1", source, {})


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
@pytest.mark.parametrize("version", [":2", f"@sha256:{'0' * 64}"], ids=["tag", "digest"])
def test_a_base_image_that_is_absent(
    kind: type[WorkspaceMixin[Any]], version: str, image_registry: RegistryProcess, base: str, source: Path
) -> None:
    absent = base.removesuffix(":1") + version
    with pytest.raises(TorchXError, match="faults/base") as caught:
        submit(kind(), absent, source, {"image_repo": f"{image_registry.name}/absent"})
    one_line(caught.value)
    if kind is OciWorkspaceMixin:
        assert isinstance(caught.value, ImageNotFoundError)
        assert caught.value.exit_code == 2


def test_no_engine(base: str, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(EngineUnreachableError) as caught:
        submit(DockerWorkspaceMixin(), base, source, {})
    one_line(caught.value)
    assert "workspace_type=oci" in str(caught.value.hint)
    assert "@sha256:" in submit(OciWorkspaceMixin(), base, source, {})


@pytest.mark.parametrize("cut_after", [300_000, 5_000_000], ids=["early", "late"])
def test_a_connection_cut_in_the_middle_of_a_push(
    cut_after: int, image_registry: RegistryProcess, base: str, large: Path
) -> None:
    with cutting_proxy(image_registry.name) as proxy:
        proxy.cut_after, proxy.cuts_left = cut_after, 2
        image = submit(OciWorkspaceMixin(), base, large, {"image_repo": f"{proxy.name}/cut{cut_after}"})
        assert proxy.cuts == 2
        assert submit(OciWorkspaceMixin(), base, large, {"image_repo": f"{proxy.name}/cut{cut_after}"}) == image
    digest = image.partition("@")[2]
    assert digest.removeprefix("sha256:") in image_registry.blobs()


def test_blobs_that_were_complete_before_a_cut_are_not_sent_again(
    image_registry: RegistryProcess, base: str, large: Path
) -> None:
    repository = f"{image_registry.name}/complete"
    with cutting_proxy(image_registry.name) as proxy:
        cfg: dict[str, CfgVal] = {"image_repo": f"{proxy.name}/complete"}
        submit(OciWorkspaceMixin(), base, large, cfg)
        sent = proxy.sent
        assert sent > 8 * MEGABYTE
        (large / "train.py").write_text("the layer is another one, the base image's layers are not")
        proxy.cut_after, proxy.cuts_left = 1_000_000, 1
        submit(OciWorkspaceMixin(), base, large, cfg)
        assert proxy.sent - sent < 10 * MEGABYTE
    assert submit(OciWorkspaceMixin(), base, large, {"image_repo": repository}).startswith(repository)


def test_a_network_that_stays_away(
    image_registry: RegistryProcess, base: str, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchx_docker.oci.upload.MAX_CUTS", 3)
    with cutting_proxy(image_registry.name) as proxy:
        proxy.cut_after, proxy.cuts_left = 300_000, 1000
        with pytest.raises(RegistryError, match="can't be reached"):
            submit(OciWorkspaceMixin(), base, large, {"image_repo": f"{proxy.name}/away"})
        assert proxy.cuts >= 3


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
def test_the_registrys_disk_is_full(kind: type[WorkspaceMixin[Any]], full_disk: Path, base: str, large: Path) -> None:
    with running_registry(data=full_disk) as registry, pytest.raises(TorchXError) as caught:
        submit(kind(), base, large, {"image_repo": f"{registry.name}/full"})
    one_line(caught.value)
    assert registry.name in caught.value.message
    assert "another one: image_repo=" in str(caught.value.hint)
    if kind is OciWorkspaceMixin:
        assert "no space left" in caught.value.message
    else:  # the engine does not pass on what the registry says
        assert "500 Internal Server Error" in caught.value.message
        assert "its disk may be full" in str(caught.value.hint)


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
def test_two_submissions_of_one_workspace_at_once(
    kind: type[WorkspaceMixin[Any]],
    docker_clients: list[Client],
    docker_host: str,
    image_registry: RegistryProcess,
    base: str,
    large: Path,
) -> None:
    cfg: dict[str, CfgVal] = {"image_repo": f"{image_registry.name}/twice-{kind.__name__.lower()}"}
    with ThreadPoolExecutor(4) as pool:
        images = [*pool.map(lambda _: submit(kind(), base, large, cfg), range(4))]
    assert len({*images}) == 1
    checked(docker_clients[0], docker_host, "pull", "-q", images[0])


def test_a_file_that_changes_while_it_is_read(
    base: str, source: Path, monkeypatch: pytest.MonkeyPatch, image_registry: RegistryProcess
) -> None:
    import torchx_docker.workspace.build as build

    def change_and_post(*args: Any) -> Any:
        (source / "train.py").write_text("print('HELLO')\n")
        return real(*args)

    real = build._post
    monkeypatch.setattr(build, "_post", change_and_post)
    with pytest.raises(TorchXError, match="changed while its image was built"):
        submit(DockerWorkspaceMixin(), base, source, {"image_repo": f"{image_registry.name}/changing"})
    monkeypatch.setattr(build, "_post", real)
    assert submit(DockerWorkspaceMixin(), base, source, {"image_repo": f"{image_registry.name}/changing"})
