"""Other files, and older ones, at the path of a workspace: a mount changes no time of anything."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.images.tools import checked, import_image, root_archive, unpacked
from torchx.specs.api import AppDef, Role, Workspace
from torchx.workspace.dir_workspace import DirWorkspaceMixin
from torchx_docker.workspace.docker_workspace import DockerWorkspaceMixin
from torchx_docker.workspace.oci_workspace import OciWorkspaceMixin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.docker.engine import Client
    from tests.cluster.images.registry import RegistryProcess
    from torchx.specs.api import CfgVal


@contextlib.contextmanager
def mounted(source: Path, place: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", str(source), str(place)], check=True, timeout=30)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True, timeout=30)


@pytest.fixture(params=["dir", "docker", "oci"])
def submit(
    request: pytest.FixtureRequest,
    docker_clients: list[Client],
    docker_host: str,
    image_registry: RegistryProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Path], dict[str, str]]:
    """Builds a workspace; what is in the result."""
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "root.tar").write_bytes(root_archive({"srv/app": (0o755, 0)}, {}))
    client, base = docker_clients[0], f"{image_registry.name}/mounted/base:1"
    import_image(client, docker_host, base, tmp_path / "root.tar", "WORKDIR /srv/app")
    builder = {"dir": DirWorkspaceMixin, "docker": DockerWorkspaceMixin, "oci": OciWorkspaceMixin}[request.param]()
    cfg: dict[str, CfgVal] = {"job_dir": str(tmp_path / "job")} if request.param == "dir" else {}

    def texts(folder: Path) -> dict[str, str]:
        return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}

    def build(workspace: Path) -> dict[str, str]:
        role = Role("worker", base, entrypoint="sh")
        role.workspace = Workspace.from_str(str(workspace))
        builder.build_workspaces([role], cfg)
        if isinstance(builder, DirWorkspaceMixin):
            return texts(Path(role.image))
        if isinstance(builder, OciWorkspaceMixin):
            builder.push_images(builder.dryrun_push_images(AppDef("app", [role]), cfg))
            checked(client, docker_host, "pull", "-q", role.image)
        with unpacked(client, docker_host, role.image, "/srv/app", tmp_path / "unpacked") as folder:
            return texts(folder)

    return build


def tree(folder: Path, text: str) -> Path:
    """Two files that are the same in each tree but for their text."""
    (folder / "pkg").mkdir(parents=True)
    for path in (folder / "train.py", folder / "pkg" / "mod.py"):
        path.write_text(text)
        os.utime(path, (5, 5))
    time.sleep(0.15)  # past the time in which a further change would not show
    return folder


@pytest.mark.parametrize("place", ["", "pkg"], ids=["root", "folder"])
def test_an_older_tree_at_the_same_path_is_another_one(
    submit: Callable[[Path], dict[str, str]], tmp_path: Path, place: str
) -> None:
    old, here = tree(tmp_path / "old", "old"), tree(tmp_path / "here", "mid")
    new = tree(tmp_path / "new", "new")
    other = [path for path in ("train.py", "pkg/mod.py") if not path.startswith(place)]
    for source, text in (new, "new"), (old, "old"), (new, "new"):
        with mounted(source / place, here / place):
            found = submit(here)
            assert submit(here) == found
        assert found == {"train.py": text, "pkg/mod.py": text, **dict.fromkeys(other, "mid")}
