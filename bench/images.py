"""5,000 files (50 MB) built into images and pushed: unchanged, and with one changed file beside `docker build`.

Starts a Docker engine and a registry of its own; needs root, `dockerd` and `docker-registry`.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.timing import Row, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.docker.engine import Client
    from torchx.workspace.api import WorkspaceMixin

FILES, SIZE = 5000, 10_000
PER_FOLDER = 50


def run(rounds: int = 7) -> Iterator[Row]:
    """Both builders on an unchanged workspace to its walk; `oci` on a changed one to Docker; memory by size."""
    from tests.cluster.docker.engine import install_docker, installed_clients, running_engine
    from tests.cluster.images.registry import install_registry, running_registry

    install_docker()
    install_registry()
    with tempfile.TemporaryDirectory() as folder, running_engine() as host, running_registry() as registry:
        os.environ.update(TORCHX_HOME=f"{folder}/home", DOCKER_HOST=host, DOCKER_CONFIG=f"{folder}/docker")
        client = _with_buildkit(installed_clients(), host)
        base = _make_base(client, host, registry.name, Path(folder))
        workspace = Path(folder, "ws")
        make_files(workspace, FILES)
        yield from _unchanged(workspace, base, registry.name, rounds * 3)
        yield from _changed(workspace, base, registry.name, client, host, rounds)
        yield from _memory(Path(folder), base, registry.name)


def _unchanged(workspace: Path, base: str, registry: str, rounds: int) -> Iterator[Row]:
    from torchx_docker.workspace.docker_workspace import DockerWorkspaceMixin
    from torchx_docker.workspace.oci_workspace import OciWorkspaceMixin

    time.sleep(0.2)  # the newest file must not look as if it could still change
    builders: dict[str, WorkspaceMixin[Any]] = {"docker": DockerWorkspaceMixin(), "oci": OciWorkspaceMixin()}
    for name, builder in builders.items():
        yield compare(
            f"{name}: unchanged workspace of {FILES} files to a pushed image, to its walk",
            _submitting(builder, base, workspace, f"{registry}/unchanged-{name}"),
            lambda: _timed(lambda: _walk(workspace)),
            target=1.5,
            rounds=rounds,
        )


def _submitting(builder: WorkspaceMixin[Any], base: str, workspace: Path, repository: str) -> Callable[[], float]:
    return lambda: _timed(lambda: _submit(builder, base, workspace, repository))


def _changed(workspace: Path, base: str, registry: str, client: Client, host: str, rounds: int) -> Iterator[Row]:
    from torchx_docker.workspace.oci_workspace import OciWorkspaceMixin

    dockerfile = workspace.parent / "Dockerfile"
    dockerfile.write_text(f"FROM {base}\nCOPY . .\n")
    builder, numbers = OciWorkspaceMixin(), itertools.count()

    def ours() -> float:
        change(workspace, next(numbers))
        return _timed(lambda: _submit(builder, base, workspace, f"{registry}/changed-oci"))

    def docker(buildkit: bool) -> Callable[[], float]:
        def measure() -> float:
            change(workspace, next(numbers))
            tag = f"{registry}/changed-docker:{next(numbers)}"

            def build_and_push() -> None:
                done = client.run(
                    host, "build", "-q", "-t", tag, "-f", str(dockerfile), str(workspace), buildkit=buildkit
                )
                done.check_returncode()
                client.run(host, "push", "-q", tag).check_returncode()

            return _timed(build_and_push)

        return measure

    for kind, buildkit in ("classic builder", False), ("BuildKit", True):
        yield compare(
            f"oci: one of {FILES} files (50 MB) changed, to docker build + push ({kind})",
            ours,
            docker(buildkit),
            target=0.5,
            rounds=rounds,
        )


def _memory(folder: Path, base: str, registry: str) -> Iterator[Row]:
    """Peak memory for ten times the bytes, each in a process of its own."""
    peaks = []
    for name, size in ("small", SIZE), ("large", SIZE * 10):
        workspace = folder / name
        make_files(workspace, FILES, size=size)
        command = [sys.executable, "-m", "bench.images", base, str(workspace), f"{registry}/memory-{name}"]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout))
    small, large = peaks
    yield Row(
        f"oci: peak memory with 500 MB in {FILES} files, to that with 50 MB",
        large / small,
        1.25,
        f"{large / 1024:.0f} MB to {small / 1024:.0f} MB",
    )


def make_files(root: Path, count: int, size: int = SIZE) -> None:
    """Writes files like code: half of their bytes compress well."""
    noise = random.Random(0)
    for number in range(count):
        folder = root / f"pkg{number // PER_FOLDER}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file_{number}.py").write_bytes(noise.randbytes(size // 2) + b"def f(x): return x\n" * (size // 38))


def change(workspace: Path, number: int) -> None:
    """Changes one file."""
    (workspace / "pkg7" / "file_350.py").write_text(f"changed = {number}\n")
    time.sleep(0.15)


def _with_buildkit(clients: list[Client], host: str) -> Client:
    """A client that can build with either builder: one from before 23, or with the plugin buildx."""
    return next(c for c in clients if c.major < 23 or c.run(host, "buildx", "version").returncode == 0)


def _make_base(client: Client, host: str, registry: str, folder: Path) -> str:
    from tests.cluster.images.tools import import_image, root_archive

    (folder / "base.tar").write_bytes(root_archive({"srv/app": (0o755, 0)}, {}))
    name = f"{registry}/base:1"
    import_image(client, host, name, folder / "base.tar", "WORKDIR /srv/app")
    return name


def _submit(builder: WorkspaceMixin[Any], base: str, workspace: Path, repository: str) -> None:
    from torchx.specs import AppDef, Role, Workspace

    role = Role("r", base)
    role.workspace = Workspace({str(workspace): ""})
    cfg: dict[str, Any] = {"image_repo": repository, "quiet": True}
    builder.build_workspaces([role], cfg)
    builder.push_images(builder.dryrun_push_images(AppDef("a", [role]), cfg))
    assert role.image.startswith(repository)


def _walk(workspace: Path) -> None:
    from torchx.workspace.manifest import scan
    from torchx.workspace.projects import Project
    from torchx.workspace.walk import read_rules

    rules = read_rules(str(workspace), ".torchxignore")
    manifest = scan([Project(str(workspace), "", rules, False, str(workspace))])
    assert sum(len(folder.files) for folder in manifest.folders.values()) == FILES


def _timed(action: Callable[[], None]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


if __name__ == "__main__":
    from torchx_docker.workspace.oci_workspace import OciWorkspaceMixin

    _submit(OciWorkspaceMixin(), sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
