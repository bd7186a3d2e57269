"""Images of the two builders: what is in them, how they run, and what is not done again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests

from tests.cluster.images.tools import (
    checked,
    described,
    import_image,
    root_archive,
    run_image,
    tree_with_modes,
    unpacked,
)
from tests.docker.clones import clone
from torchx.errors import TorchXError, UsageError
from torchx.specs.api import AppDef, Role, Workspace
from torchx.testing.trees import TREE, make_tree
from torchx.workspace.errors import UnknownWorkspaceTypeError
from torchx_docker.oci import media
from torchx_docker.oci.append import _Bytes
from torchx_docker.oci.registry import Document, Registry
from torchx_docker.oci.upload import Blob
from torchx_docker.workspace.docker_workspace import DockerWorkspaceMixin
from torchx_docker.workspace.local_images import LocalImageMixin
from torchx_docker.workspace.oci_workspace import OciWorkspaceMixin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.docker.engine import Client
    from tests.cluster.images.registry import RegistryProcess
    from torchx.specs.api import CfgVal
    from torchx.workspace.api import WorkspaceMixin

OWNER = 1234
TORCHX = (sys.executable, "-m", "torchx")
#: A step, and one that fails; BuildKit runs no programs in an engine without a network of the kind `bridge`. In one
#: that has it they are tested in `test_dockerfiles.py`.
STEPS = {
    "0": ("RUN cat run.sh >made", "RUN echo 'nothing' like it >&2 && false"),
    "1": ("COPY run.sh made", "COPY nothing ."),
}

#: Working folder and settings of base images.
BASES = {
    "root": ("", ()),
    "plain": ("/srv/app", ("WORKDIR /srv/app",)),
    "not there": ("/opt/new/place", ("WORKDIR /opt/new/place",)),
    "closed": ("/home/ann/app", ("WORKDIR /home/ann/app", f"USER {OWNER}")),
    "through a link": ("/home/ann/app", ("WORKDIR /here/app/", f"USER {OWNER}")),
    "open to all": ("/scratch", ("WORKDIR /scratch", f"USER {OWNER}")),
}


class World(NamedTuple):
    """The servers.

    Attributes:
        client: Docker's client.
        host: the engine's address.
        registry: the registry.
    """

    client: Client
    host: str
    registry: RegistryProcess

    def docker(self, *command: str) -> str:
        """What a command prints."""
        return checked(self.client, self.host, *command)


@pytest.fixture
def world(
    docker_clients: list[Client],
    docker_host: str,
    image_registry: RegistryProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return World(docker_clients[0], docker_host, image_registry)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root file system of base images."""
    path = tmp_path_factory.mktemp("root") / "root.tar"
    folders = {
        "srv/app": (0o755, 0),
        "home": (0o755, 0),
        "home/ann": (0o700, OWNER),
        "home/ann/app": (0o750, OWNER),
        "scratch": (0o1777, 0),
    }
    path.write_bytes(root_archive(folders, {"here": "home/ann"}))
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    make_tree(folder, {**TREE, "run.sh": b"#!/bin/sh\necho ran", ".dockerignore": b"*\n", "Dockerfile": b"FROM x\n"})
    (folder / "run.sh").chmod(0o755)
    (folder / "pkg" / "secret").write_text("")
    (folder / "pkg" / "secret").chmod(0o600)
    (folder / "link").symlink_to("pkg/module.py")
    (folder / "out").mkdir(mode=0o777)
    (folder / "out").chmod(0o1777 & 0o777)
    return folder


def base_image(world: World, archive: Path, name: str, *changes: str) -> str:
    image = f"{world.registry.name}/bases/{name.replace(' ', '-')}:1"
    import_image(world.client, world.host, image, archive, *changes)
    return image


def role_of(image: str, workspace: Path | None) -> Role:
    role = Role("worker", image, entrypoint="sh")
    role.workspace = Workspace.from_str(str(workspace)) if workspace else None
    return role


def built(builder: WorkspaceMixin[Any], image: str, workspace: Path, cfg: dict[str, CfgVal]) -> str:
    """Builds, and pushes what the builder wants pushed; the image's name."""
    role = role_of(image, workspace)
    builder.build_workspaces([role], cfg)
    if "image_repo" in cfg or isinstance(builder, OciWorkspaceMixin):
        builder.push_images(builder.dryrun_push_images(AppDef("app", [role]), cfg))
    return role.image


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("buildkit", ["0", "1"], ids=["classic", "buildkit"])
def test_both_builders_make_the_same_image(
    world: World, archive: Path, source: Path, tmp_path: Path, name: str, buildkit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", buildkit)
    place, changes = BASES[name]
    base = base_image(world, archive, name, *changes)
    by_engine = built(DockerWorkspaceMixin(), base, source, {})
    by_registry = built(OciWorkspaceMixin(), base, source, {"image_repo": f"{world.registry.name}/out"})
    world.docker("pull", "-q", by_registry)
    assert described(world.client, world.host, by_engine) == described(world.client, world.host, by_registry)
    trees = []
    for image in (by_engine, by_registry):
        with unpacked(world.client, world.host, image, place or "/", tmp_path / "unpacked") as folder:
            found = tree_with_modes(folder)
            own = {"Dockerfile", ".dockerignore", "train.py", "run.sh", "out", "pkg/secret", "link"}
            assert own <= set(found)
            trees.append(found)
    assert trees[0] == trees[1]
    folders = "for f in / /home /home/ann .. .; do find $f -maxdepth 0 -printf '%m %U %G %y %p\\n'; done"
    script = f"pwd; id -u; {folders}; ./run.sh"
    outputs = [run_image(world.client, world.host, image, script) for image in (by_engine, by_registry)]
    assert outputs[0] == outputs[1]
    assert outputs[0].endswith("ran\n")


@pytest.mark.parametrize("buildkit", ["0", "1"], ids=["classic", "buildkit"])
def test_a_dockerfile_of_the_workspace_is_used(
    world: World, archive: Path, source: Path, buildkit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", buildkit)
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    (source / "Dockerfile.torchx").write_text(
        "ARG IMAGE\nFROM $IMAGE\nARG WORKSPACE\nENV FROM_HERE=$WORKSPACE\nCOPY train.py sub/\nCOPY run.sh .\n"
        f"{STEPS[buildkit][0]}\n"
    )
    image = built(DockerWorkspaceMixin(), base, source, {})
    found = run_image(world.client, world.host, image, "echo $FROM_HERE; find . -type f | sort; sh ./made")
    assert found.splitlines() == [str(source), "./made", "./run.sh", "./sub/train.py", "ran"]
    (source / "Dockerfile.torchx").write_text("FROM scratch\nCOPY train.py /\n")
    assert built(DockerWorkspaceMixin(), "no/such/image:1", source, {}) != image


@pytest.mark.parametrize("buildkit", ["0", "1"], ids=["classic", "buildkit"])
def test_a_step_that_fails_is_told_with_its_output(
    world: World,
    archive: Path,
    source: Path,
    buildkit: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", buildkit)
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    (source / "Dockerfile.torchx").write_text(f"ARG IMAGE\nFROM $IMAGE\n{STEPS[buildkit][1]}\n")
    with pytest.raises(TorchXError, match="nothing like it" if buildkit == "0" else "nothing") as caught:
        built(DockerWorkspaceMixin(), base, source, {})
    assert "\n" not in caught.value.message
    out, err = capsys.readouterr()
    assert out == ""
    # BuildKit tells of steps as it comes to them: which ones, before one fails, is not always the same.
    assert ("nothing like it" if buildkit == "0" else "[internal]") in err
    with pytest.raises(TorchXError):
        built(DockerWorkspaceMixin(), base, source, {"quiet": True})
    assert capsys.readouterr() == ("", "")


def test_oci_refuses_a_workspace_with_a_dockerfile(world: World, archive: Path, source: Path) -> None:
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    (source / "Dockerfile.torchx").write_text("ARG IMAGE\nFROM $IMAGE\n")
    with pytest.raises(UsageError, match=r"Dockerfile\.torchx") as caught:
        built(OciWorkspaceMixin(), base, source, {})
    assert "workspace_type=docker" in str(caught.value.hint)
    (source / ".torchxignore").write_text("Dockerfile.torchx\n")
    assert "@sha256:" in built(OciWorkspaceMixin(), base, source, {})


@pytest.mark.parametrize("buildkit", ["0", "1"], ids=["classic", "buildkit"])
def test_a_dockerfile_that_is_a_link_is_used(
    world: World, archive: Path, source: Path, buildkit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", buildkit)
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    (source / "docker").mkdir()
    (source / "docker" / "train").write_text("ARG IMAGE\nFROM $IMAGE\nENV COLOR=green\n")
    (source / "Dockerfile.torchx").symlink_to("docker/train")
    image = built(DockerWorkspaceMixin(), base, source, {})
    assert run_image(world.client, world.host, image, "echo $COLOR; ls") == "green\n"
    (source / "docker" / "train").write_text("ARG IMAGE\nFROM $IMAGE\nENV COLOR=brown\n")
    assert built(DockerWorkspaceMixin(), base, source, {}) != image
    with pytest.raises(UsageError, match=r"Dockerfile\.torchx"):
        built(OciWorkspaceMixin(), base, source, {})


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
def test_a_file_that_would_delete_others_is_refused(
    world: World, archive: Path, source: Path, kind: type[WorkspaceMixin[Any]]
) -> None:
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    (source / "pkg" / ".wh..wh..opq").write_text("")
    with pytest.raises(TorchXError, match=r"`pkg/\.wh\.\.wh\.\.opq`") as caught:
        built(kind(), base, source, {})
    assert ".torchxignore" in str(caught.value.hint)


def test_oci_refuses_a_base_image_with_steps_of_its_own(world: World, archive: Path, source: Path) -> None:
    base = base_image(world, archive, "onbuild", "WORKDIR /srv/app", "ONBUILD ENV COLOR=green")
    by_engine = built(DockerWorkspaceMixin(), base, source, {})
    assert run_image(world.client, world.host, by_engine, "echo $COLOR") == "green\n"
    with pytest.raises(TorchXError, match=r"bases/onbuild` has ONBUILD steps \(`ENV COLOR=green`\)") as caught:
        built(OciWorkspaceMixin(), base, source, {})
    assert "workspace_type=docker" in str(caught.value.hint)


def put_platforms(world: World, image: str, name: str, *architectures: str) -> str:
    """Makes an index of an image, as if it were made for several architectures; for one, just a manifest."""
    repository, _, tag = image.partition("/")[2].partition(":")
    registry = Registry(world.registry.name)
    base = registry.manifest(repository, tag)
    entries = []
    for architecture in architectures:
        manifest = base.read()
        config = registry.read_document(repository, manifest["config"]["digest"], "").read()
        content = json.dumps({**config, "architecture": architecture}).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        registry.put_blob(repository, Blob(digest, len(content), _Bytes(content)))
        manifest["config"] |= {"digest": digest, "size": len(content)}
        new = Document(json.dumps(manifest).encode(), base.media_type)
        registry.put_manifest(repository, new.digest if len(architectures) > 1 else name, new)
        platform = {"os": "linux", "architecture": architecture}
        described = {"mediaType": new.media_type, "size": len(new.content), "digest": new.digest}
        entries.append({**described, "platform": platform})
    if len(architectures) > 1:
        index = {"schemaVersion": 2, "mediaType": media.DOCKER_INDEX, "manifests": entries}
        registry.put_manifest(repository, name, Document(json.dumps(index).encode(), media.DOCKER_INDEX))
    registry.close()
    return f"{world.registry.name}/{repository}:{name}"


def architecture_of(world: World, image: str) -> str:
    return world.docker("inspect", "--format", "{{.Architecture}}", image).strip()


@pytest.mark.parametrize("buildkit", ["0", "1"], ids=["classic", "buildkit"])
def test_another_platform_is_taken_only_where_it_is_asked_for(
    world: World, archive: Path, source: Path, tmp_path: Path, buildkit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", buildkit)
    plain = base_image(world, archive, "platforms", "WORKDIR /srv/app")
    own = architecture_of(world, plain)
    other = "arm64" if own != "arm64" else "amd64"
    both = put_platforms(world, plain, f"both{buildkit}", own, other)
    asked: dict[str, CfgVal] = {"image_platform": f"linux/{other}"}
    assert architecture_of(world, built(DockerWorkspaceMixin(), both, source, asked)) == other
    image = built(DockerWorkspaceMixin(), both, source, {})
    assert architecture_of(world, image) == own
    (record,) = (tmp_path / "home" / "images" / "engines").iterdir()
    assert json.loads(record.read_bytes()) == {"platform": f"linux/{own}"}
    assert built(DockerWorkspaceMixin(), both, source, {}) == image
    # A record of another engine at the same address.
    record.write_text(json.dumps({"platform": f"linux/{other}"}))
    assert built(DockerWorkspaceMixin(), both, source, {}) == image
    assert json.loads(record.read_bytes()) == {"platform": f"linux/{own}"}


def test_a_platform_that_the_base_image_of_the_engine_is_not_made_for(
    world: World, archive: Path, source: Path
) -> None:
    plain = base_image(world, archive, "single", "WORKDIR /srv/app")
    own = architecture_of(world, plain)
    other = "arm64" if own != "arm64" else "amd64"
    with pytest.raises(UsageError, match=f"made for `linux/{own}`, not for `linux/{other}`") as caught:
        built(DockerWorkspaceMixin(), plain, source, {"image_platform": f"linux/{other}"})
    assert f"image_platform=linux/{own}" in str(caught.value.hint)
    alien = put_platforms(world, plain, "alien", other)
    for _ in range(2):  # pulled, and there already
        with pytest.raises(
            UsageError, match=f"made for `linux/{other}`, not for `linux/{own}`, the engine's"
        ) as caught:
            built(DockerWorkspaceMixin(), alien, source, {})
        assert f"image_platform=linux/{other}" in str(caught.value.hint)
    image = built(DockerWorkspaceMixin(), alien, source, {"image_platform": f"linux/{other}"})
    assert architecture_of(world, image) == other


def test_the_base_image_is_pulled_only_where_it_is_missing(
    world: World, archive: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = base_image(world, archive, "pulled", "WORKDIR /srv/app")
    path = "bases/pulled/manifests"
    asked = world.registry.requests("GET", path)
    built(DockerWorkspaceMixin(), base, source, {})
    assert world.registry.requests("GET", path) == asked
    world.docker("rmi", "-f", base)
    (source / "train.py").write_text("changed")
    built(DockerWorkspaceMixin(), base, source, {})
    assert world.registry.requests("GET", path) > asked


def test_a_moved_tag_of_the_base_image_is_noticed(world: World, archive: Path, source: Path) -> None:
    base = base_image(world, archive, "moving", "WORKDIR /srv/app")
    first = built(OciWorkspaceMixin(), base, source, {}), built(DockerWorkspaceMixin(), base, source, {})
    base_image(world, archive, "moving", "WORKDIR /srv/app", "ENV COLOR=red")
    second = built(OciWorkspaceMixin(), base, source, {}), built(DockerWorkspaceMixin(), base, source, {})
    assert {first[0], first[1]}.isdisjoint(second)
    world.docker("pull", "-q", second[0])
    assert {run_image(world.client, world.host, image, "echo $COLOR") for image in second} == {"red\n"}


def test_pushed_images_have_the_tag_of_their_content(world: World, archive: Path, source: Path) -> None:
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    cfg: dict[str, CfgVal] = {"image_repo": f"{world.registry.name}/pushed"}
    one = built(DockerWorkspaceMixin(), base, source, cfg)
    assert one.startswith(f"{world.registry.name}/pushed:")
    world.docker("rmi", "-f", one)
    assert run_image(world.client, world.host, one, "./run.sh") == "ran\n"
    # Another clone of the same files, with other times, on a machine that remembers nothing.
    clone(source, source.parent / "again")
    assert built(DockerWorkspaceMixin(), base, source.parent / "again", cfg) == one


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
def test_the_umask_of_who_cloned_is_not_in_an_image(
    world: World, archive: Path, source: Path, kind: type[WorkspaceMixin[Any]]
) -> None:
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    clones = [source.parent / umask for umask in ("022", "002")]
    for folder in clones:
        clone(source, folder, int(folder.name, 8))
    assert [oct((folder / "train.py").stat().st_mode & 0o777) for folder in clones] == ["0o644", "0o664"]
    assert len({built(kind(), base, folder, {}) for folder in clones}) == 1


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
def test_python_never_runs_the_code_of_a_former_image(
    world: World, archive: Path, source: Path, tmp_path: Path, kind: type[WorkspaceMixin[Any]]
) -> None:
    """Compiled code is good for a source file of the same time and size: what an image and a volume keep of it."""
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    caches = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path / "volume")}

    def run(text: str) -> str:
        (source / "answer.py").write_text(text)
        image = built(kind(), base, source, {})
        if kind is OciWorkspaceMixin:
            world.docker("pull", "-q", image)
        with unpacked(world.client, world.host, image, "/srv/app", tmp_path / "unpacked") as folder:
            command = [sys.executable, "-c", "import answer; print(answer.VALUE)"]
            return subprocess.run(
                command, cwd=folder, env=caches, capture_output=True, text=True, timeout=60, check=True
            ).stdout

    assert run("VALUE = 'old'\n") == "old\n"
    assert [*(tmp_path / "volume").rglob("answer*.pyc")]
    assert run("VALUE = 'new'\n") == "new\n"


def test_oci_images_depend_on_nothing_but_what_is_in_them(
    world: World, archive: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    one = built(OciWorkspaceMixin(), base, source, {})
    clone(source, tmp_path / "again")
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "other home"))
    blobs = world.registry.blobs()
    assert built(OciWorkspaceMixin(), base, tmp_path / "again", {}) == one
    assert world.registry.blobs() == blobs


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
def test_an_unchanged_workspace_is_not_even_read(
    world: World, archive: Path, source: Path, kind: type[WorkspaceMixin[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    cfg: dict[str, CfgVal] = {"image_repo": f"{world.registry.name}/unread"}
    settle(source)
    one = built(kind(), base, source, cfg)
    sent = {method: world.registry.requests(method, "") for method in ("POST", "PUT", "PATCH")}
    opened: list[str] = []
    real = os.open

    def noted(path: Any, *args: Any, **kwargs: Any) -> int:
        opened.append(str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", noted)
    assert built(kind(), base, source, cfg) == one
    assert [path for path in opened if path.endswith("train.py")] == []
    assert {method: world.registry.requests(method, "") for method in sent} == sent


def settle(folder: Path) -> None:
    """Waits until a further change of a file would get a later time stamp than those before."""
    newest = max(path.lstat().st_ctime_ns for path in (folder, *folder.rglob("*")))
    while time.time_ns() - newest < 200_000_000:
        time.sleep(0.01)


@pytest.mark.parametrize("kind", [DockerWorkspaceMixin, OciWorkspaceMixin])
def test_a_change_that_keeps_size_and_time_is_noticed(
    world: World, archive: Path, source: Path, kind: type[WorkspaceMixin[Any]]
) -> None:
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    settle(source)
    one = built(kind(), base, source, {})
    before = (source / "train.py").stat()
    (source / "train.py").write_bytes(b"x" * before.st_size)
    os.utime(source / "train.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert built(kind(), base, source, {}) != one


def test_what_the_registry_lost_is_pushed_again(world: World, archive: Path, source: Path) -> None:
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    settle(source)
    cfg: dict[str, CfgVal] = {"image_repo": f"{world.registry.name}/lost"}
    one = built(OciWorkspaceMixin(), base, source, cfg)
    repository, _, digest = one.partition("/")[2].partition("@")
    url = f"http://{world.registry.name}/v2/{repository}/manifests/{digest}"
    assert requests.delete(url, timeout=10).status_code == 202
    assert built(OciWorkspaceMixin(), base, source, cfg) == one
    assert requests.get(url, timeout=10, headers={"Accept": "*/*"}).status_code == 200


def test_layers_of_the_base_image_are_mounted_not_sent(world: World, archive: Path, source: Path) -> None:
    base = base_image(world, archive, "mounted", "WORKDIR /srv/app")
    patches = world.registry.requests("PATCH", "mounts/target")
    built(OciWorkspaceMixin(), base, source, {"image_repo": f"{world.registry.name}/mounts/target"})
    assert world.registry.requests("POST", "mount=sha256") >= 1
    assert world.registry.requests("PATCH", "mounts/target") - patches == 2  # the workspace's layer, the configuration


def test_workspace_type_chooses_the_builder(world: World, archive: Path, source: Path) -> None:
    base = base_image(world, archive, "plain", "WORKDIR /srv/app")
    chooser = LocalImageMixin()
    assert [name for name, _ in chooser.workspace_opts()] == ["workspace_type", "image_repo", "quiet", "image_platform"]
    for cfg, mark in (
        ({"workspace_type": "docker"}, "sha256:"),
        ({"workspace_type": "oci"}, "127.0.0.1"),
        ({}, "sha256:"),
    ):
        role = role_of(base, source)
        chooser.build_workspaces([role], cfg)
        assert role.image.startswith(mark)
        chooser.push_images(chooser.dryrun_push_images(AppDef("app", [role]), cfg))
        if mark != "sha256:":
            world.docker("pull", "-q", role.image)
        assert run_image(world.client, world.host, role.image, "./run.sh") == "ran\n"
    with pytest.raises(UnknownWorkspaceTypeError, match="known: docker, oci"):
        chooser.build_workspaces([role_of(base, source)], {"workspace_type": "ocy"})


def test_an_image_of_the_engine_alone_is_pushed_only_where_image_repo_says(
    world: World, archive: Path, source: Path
) -> None:
    role = role_of(base_image(world, archive, "plain", "WORKDIR /srv/app"), source)
    builder = DockerWorkspaceMixin()
    builder.build_workspaces([role], {})
    with pytest.raises(UsageError) as caught:
        builder.dryrun_push_images(AppDef("app", [role]), {})
    assert "image_repo=" in str(caught.value.hint)


@pytest.mark.parametrize("options", ["workspace_type=docker", "workspace_type=oci", "quiet=true"])
def test_a_job_runs_in_its_workspace(world: World, archive: Path, source: Path, options: str) -> None:
    base = base_image(world, archive, "plain", "WORKDIR /srv/app", "ENTRYPOINT []")
    command = [*TORCHX, "run", "-s", "local_docker", "-cfg", options, "--wait", "--log", "--workspace", str(source)]
    command += ["utils.sh", "--image", base, "./run.sh"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "sh/0 ran" in done.stderr
    assert "SUCCEEDED" in done.stderr


def test_a_builder_that_does_not_exist_is_one_line(world: World, source: Path) -> None:
    command = [*TORCHX, "run", "-s", "local_docker", "-cfg", "workspace_type=occi", "--workspace", str(source)]
    done = subprocess.run([*command, "utils.echo"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: unknown workspace_type `occi`; known: docker, oci\nhint: did you mean `oci`?\n"


def test_no_engine_is_one_line_with_the_way_out(world: World, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{source}/nobody")
    command = [*TORCHX, "run", "-s", "local_docker", "--dryrun", "--workspace", str(source), "utils.echo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: no Docker engine answers at unix://")
    assert "workspace_type=oci" in hint
