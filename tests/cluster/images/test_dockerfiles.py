"""Workspaces with a `Dockerfile.torchx`: what it builds on, and programs that it runs, with both builders."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.cluster.docker.engine import own_bridge, running_engine
from tests.cluster.images.registry import PASSWORD, USER, running_registry
from tests.cluster.images.token_server import token_server
from tests.cluster.images.tools import SETTINGS, checked, root_archive, run_image
from torchx.errors import TorchXError
from torchx.specs.api import Role, Workspace
from torchx_docker.workspace.docker_workspace import DockerWorkspaceMixin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.docker.engine import Client
    from tests.cluster.images.registry import RegistryProcess

LOGIN = {"username": USER, "password": PASSWORD}


class World(NamedTuple):
    """An engine that builds, in which programs of BuildKit run, too.

    Attributes:
        client: Docker's client.
        host: the engine's address.
        archive: the root file system of base images.
    """

    client: Client
    host: str
    archive: Path

    def docker(self, *command: str) -> str:
        """What a command prints."""
        return checked(self.client, self.host, *command)

    def base(self, name: str, *changes: str) -> str:
        """Makes a base image; its name."""
        options = [part for change in (*SETTINGS, *changes) for part in ("--change", change)]
        self.docker("import", *options, str(self.archive), name)
        return name

    def publish(self, name: str) -> str:
        """Pushes an image as somebody who may, and removes it from the engine; its name."""
        import docker

        client = docker.DockerClient(base_url=self.host)
        try:
            told = [*client.api.push(name, stream=True, decode=True, auth_config=LOGIN)]
        finally:
            client.close()
        assert not any("error" in record for record in told), told
        self.docker("rmi", "-f", name)
        return name

    def names(self) -> set[str]:
        """The names of all images in the engine."""
        return {*self.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()}


@pytest.fixture(scope="module")
def engine(docker_clients: list[Client]) -> Iterator[str]:
    with own_bridge() as bridge, running_engine(bridge) as host:
        yield host


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("root") / "root.tar"
    path.write_bytes(root_archive({"srv/app": (0o755, 0)}, {}))
    return path


@pytest.fixture(params=["0", "1"], ids=["classic", "buildkit"])
def world(
    request: pytest.FixtureRequest,
    docker_clients: list[Client],
    engine: str,
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    monkeypatch.setenv("DOCKER_BUILDKIT", request.param)
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", engine)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return World(docker_clients[0], engine, archive)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "run.sh").write_text("echo ran")
    return tmp_path / "source"


@pytest.fixture
def public_registry(tmp_path: Path, image_registry: RegistryProcess) -> Iterator[RegistryProcess]:
    """A registry that gives tokens to everybody, and wants one, as Docker Hub does."""
    (tmp_path / "keys").mkdir()
    with token_server(tmp_path / "keys") as tokens, running_registry(tokens.settings) as registry:
        tokens.anonymous = True
        yield registry


def log_in(registry: str) -> None:
    """Does what ``docker login`` leaves behind."""
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    with open(os.path.join(os.environ["DOCKER_CONFIG"], "config.json"), "w") as file:
        json.dump({"auths": {registry: {"auth": auth}}}, file)


def build(source: Path, dockerfile: str, image: str = "not/needed:1", **cfg: str) -> str:
    (source / "Dockerfile.torchx").write_text(dockerfile)
    role = Role("worker", image, entrypoint="sh")
    role.workspace = Workspace.from_str(str(source))
    DockerWorkspaceMixin().build_workspaces([role], cfg)
    return role.image


STEPS = "WORKDIR /srv/app\nCOPY run.sh .\nRUN cat run.sh >made\n"


def test_programs_of_a_dockerfile_run(world: World, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = world.base("programs:1")
    image = build(source, f"ARG IMAGE\nFROM $IMAGE\n{STEPS}", base)
    assert run_image(world.client, world.host, image, "sh ./made") == "ran\n"
    assert "RUN cat run.sh" in capsys.readouterr().err
    with pytest.raises(TorchXError, match="nothing like it") as caught:
        build(source, f"ARG IMAGE\nFROM $IMAGE\n{STEPS}RUN echo 'nothing' like it >&2 && false\n", base)
    assert "\n" not in caught.value.message


def test_a_dockerfile_on_a_private_image(world: World, source: Path, locked_registry: RegistryProcess) -> None:
    base = world.publish(world.base(f"{locked_registry.name}/private/base:1"))
    with pytest.raises(TorchXError, match="private/base") as caught:
        build(source, f"FROM {base}\n{STEPS}")
    assert "docker login" in str(caught.value.hint)
    log_in(locked_registry.name)
    image = build(source, f"FROM {base}\n{STEPS}")
    assert run_image(world.client, world.host, image, "sh ./made") == "ran\n"


def test_a_dockerfile_that_copies_from_a_private_image(
    world: World, source: Path, locked_registry: RegistryProcess
) -> None:
    tools = world.publish(world.base(f"{locked_registry.name}/private/tools:1"))
    log_in(locked_registry.name)
    image = build(source, f"FROM {world.base('copying:1')}\nCOPY --from={tools} /bin/sh /copied\n")
    assert run_image(world.client, world.host, image, "test -x /copied && echo there") == "there\n"


@pytest.mark.parametrize("settings", [{}, {"credsStore": "nowhere"}], ids=["nobody", "broken helper"])
def test_a_dockerfile_on_a_public_image_behind_tokens(
    world: World, source: Path, public_registry: RegistryProcess, tmp_path: Path, settings: dict[str, str]
) -> None:
    (tmp_path / "docker" / "config.json").write_text(json.dumps(settings))
    base = world.publish(world.base(f"{public_registry.name}/public/base:1"))
    dockerfile = (
        f"ARG VERSION=1\nFROM {base.removesuffix('1')}${{VERSION}} AS start\n{STEPS}FROM start\nENV COLOR=red\n"
    )
    image = build(source, dockerfile)
    assert run_image(world.client, world.host, image, "sh ./made; echo $COLOR") == "ran\nred\n"


def test_what_buildkit_can_not_pull_is_built_by_the_classic_builder(
    world: World,
    source: Path,
    public_registry: RegistryProcess,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = world.publish(world.base(f"{public_registry.name}/unnoticed/base:1"))
    # A name that is not seen beforehand.
    monkeypatch.setattr("torchx_docker.workspace.recipe.needed_images", lambda *_: [])
    image = build(source, f"FROM {base}\n{STEPS}")
    assert run_image(world.client, world.host, image, "sh ./made") == "ran\n"
    told = "the classic builder is used" in capsys.readouterr().err
    assert told == (os.environ["DOCKER_BUILDKIT"] == "1")


def test_a_stage_that_nothing_is_made_of_is_not_pulled(
    world: World, source: Path, public_registry: RegistryProcess
) -> None:
    base = world.base("unused:1")
    other = world.publish(world.base(f"{public_registry.name}/unused/tests:1"))
    image = build(source, f"FROM {base} AS start\nFROM {other} AS tests\nFROM start\nCOPY run.sh /\n")
    assert run_image(world.client, world.host, image, "sh /run.sh") == "ran\n"
    if os.environ["DOCKER_BUILDKIT"] == "1":  # the classic builder makes all stages
        assert other not in world.names()


def test_a_reader_of_dockerfiles_is_fetched_too(world: World, source: Path, public_registry: RegistryProcess) -> None:
    reader = world.publish(world.base(f"{public_registry.name}/reader:1"))
    dockerfile = f"# syntax={reader}\nFROM {world.base('read:1')}\n"
    if os.environ["DOCKER_BUILDKIT"] == "0":
        assert build(source, dockerfile)
        return
    # Ours is none, but it was started.
    with pytest.raises(TorchXError) as caught:
        build(source, dockerfile)
    assert "session" not in caught.value.message
    assert reader in world.names()


def marked(world: World, folder: Path, mark: str) -> str:
    """Makes `mybase:latest` anew, with a file of a given text; its name."""
    path = folder / "marked.tar"
    path.write_bytes(world.archive.read_bytes())
    with tarfile.open(path, mode="a") as archive:
        entry = tarfile.TarInfo("etc/mark")
        entry.size = len(mark)
        archive.addfile(entry, io.BytesIO(mark.encode()))
    return world._replace(archive=path).base("mybase:latest")


@pytest.mark.parametrize(
    "use",
    ["FROM {}", "ARG B={}\nFROM $B AS a\nFROM a", "FROM tools:1\nCOPY --from={} /etc/mark /etc/"],
    ids=["from", "stage", "copy"],
)
def test_a_base_image_of_the_dockerfile_that_was_built_anew_is_noticed(
    world: World, source: Path, tmp_path: Path, use: str
) -> None:
    world.base("tools:1")
    dockerfile = f"{use.format(marked(world, tmp_path, 'old'))}\nCOPY run.sh /\n"
    image = build(source, dockerfile)
    assert build(source, dockerfile) == image
    assert run_image(world.client, world.host, image, "cat /etc/mark") == "old"
    marked(world, tmp_path, "new")
    assert run_image(world.client, world.host, build(source, dockerfile), "cat /etc/mark") == "new"
