"""A small base image made of this machine's own programs: no registry is needed for it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TOOLS = (
    *("sh", "cat", "date", "dd", "echo", "env", "false", "head", "hostname", "id", "ls", "mkdir", "od", "printf", "rm"),
    *("seq", "sleep", "sort", "tail", "test", "touch", "tr", "true", "wc", "getent", "grep", "sha256sum", "find"),
)
FOLDERS = ("dev", "etc", "proc", "root", "run", "sys", "tmp", "var")


def host_image(tools: Iterable[str] = TOOLS) -> bytes:
    """A root file system with a shell and the usual small tools, as a tar archive for ``docker import``.

    Args:
        tools: programs; they and the libraries that they load are copied from this machine.
    """
    programs = {f"bin/{tool}": _which(tool) for tool in tools}
    libraries = {path.lstrip("/"): path for path in sorted(_libraries(programs.values()))}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in FOLDERS:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
        for name, path in {**programs, **libraries}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = os.path.getsize(path), 0o755
            with open(path, "rb") as file:
                archive.addfile(entry, file)
        _add_text(archive, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        _add_text(archive, "etc/nsswitch.conf", "hosts: files dns\n")
    return buffer.getvalue()


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text), 0o644
    archive.addfile(entry, io.BytesIO(text.encode()))


def _which(tool: str) -> str:
    path = shutil.which(tool)
    assert path is not None, f"there is no `{tool}` on this machine"
    return os.path.realpath(path)


def _libraries(programs: Iterable[str]) -> Iterator[str]:
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, timeout=60, check=True).stdout
    paths = {word for line in told.splitlines() if not line.endswith(":") for word in line.split() if word[0] == "/"}
    yield from paths
    # The resolver loads these by name.
    for path in list(paths):
        if os.path.basename(path) == "libc.so.6":
            for extra in ("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"):
                beside = os.path.join(os.path.dirname(path), extra)
                if os.path.exists(beside):
                    yield beside
