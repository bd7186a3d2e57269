"""Base images, and what is in built ones."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.docker.host_image import host_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.cluster.docker.engine import Client

#: What is set in a base image; an engine that builds gives a PATH to an image that has none, as it does to containers.
SETTINGS = ('ENTRYPOINT ["/bin/sh", "-c"]', "ENV COLOR=blue", "ENV PATH=/usr/local/bin:/usr/bin:/bin")


def root_archive(folders: Mapping[str, tuple[int, int]], links: Mapping[str, str]) -> bytes:
    """The archive of a base image.

    Args:
        folders: further folders with their permissions and owner.
        links: further links with their targets.
    """
    buffer = io.BytesIO(host_image())
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        for path, (mode, owner) in folders.items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, owner, owner
            archive.addfile(entry)
        for path, target in links.items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def import_image(client: Client, host: str, name: str, archive: Path, *changes: str) -> None:
    """Makes an image of an archive, and pushes it where its name begins with a registry."""
    options = [part for change in (*SETTINGS, *changes) for part in ("--change", change)]
    checked(client, host, "import", *options, str(archive), name)
    if "/" in name:
        checked(client, host, "push", "-q", name)


def checked(client: Client, host: str, *command: str, buildkit: bool = False) -> str:
    """Runs a command of Docker's client that must succeed; gives its output."""
    done = client.run(host, *command, buildkit=buildkit)
    assert not done.returncode, f"docker {' '.join(command)}: {done.stderr.decode()}"
    return done.stdout.decode()


def run_image(client: Client, host: str, image: str, script: str, *options: str) -> str:
    """What a shell script prints in a container of an image."""
    return checked(client, host, "run", "--rm", "--network", "none", *options, image, script)


@contextlib.contextmanager
def unpacked(client: Client, host: str, image: str, path: str, target: Path) -> Iterator[Path]:
    """A folder of an image, as a local folder with modes, links and owners."""
    container = checked(client, host, "create", image, "true").strip()
    archive = target.parent / f"{target.name}.tar"
    try:
        with archive.open("wb") as file:
            command = [client.path, "-H", host, "cp", f"{container}:{path}/.", "-"]
            subprocess.run(command, stdout=file, check=True, timeout=120)
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        subprocess.run(["tar", "-x", "-p", "-f", str(archive), "-C", str(target)], check=True, timeout=120)
        yield target
    finally:
        archive.unlink()
        checked(client, host, "rm", container)


def described(client: Client, host: str, image: str) -> dict[str, object]:
    """What of an image's settings decides how its containers run."""
    config = json.loads(checked(client, host, "image", "inspect", image))[0]["Config"]
    kept = ("User", "Env", "Cmd", "Entrypoint", "WorkingDir", "Labels", "Volumes", "ExposedPorts")
    return {name: config.get(name) or None for name in kept}


def tree_with_modes(folder: Path) -> dict[str, tuple[str, object]]:
    """All below a folder: kind with permissions and owner, and content or target."""
    found: dict[str, tuple[str, object]] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            status = path.lstat()
            kind = f"{status.st_mode:o} {status.st_uid}:{status.st_gid}"
            content: object = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            found[str(path.relative_to(folder))] = (kind, content)
    return found
