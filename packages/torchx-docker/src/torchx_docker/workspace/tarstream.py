"""A workspace as a tar archive, piece by piece, always the same bytes for the same files.

Names are sorted, owner and times are fixed, and what of the permissions is a matter of taste is left out: an image does
not depend on who builds it, when, and from which clone.
"""

from __future__ import annotations

import os
import tarfile
import time
from typing import TYPE_CHECKING, NamedTuple

from torchx.workspace.errors import UnsafeWorkspaceError, WorkspaceError
from torchx.workspace.manifest import scan
from torchx.workspace.progress import SILENT
from torchx.workspace.projects import source_of
from torchx_docker.fast_zlib import fast_zlib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchx.workspace.manifest import FileInfo, FolderInfo, Manifest
    from torchx.workspace.progress import Progress
    from torchx.workspace.projects import Project

#: The time of entries, in seconds since the epoch: 1980-01-01, the earliest that a zip archive can tell.
FIXED_TIME = 315532800
#: Python takes compiled code for that of a source file if that has the time and the size that it had when it was
#: compiled (https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation). With one time for all, it
#: would run old code after an edit that keeps the size, where the base image or a volume holds compiled code. So a
#: source file's time depends on its content: it is one of so many seconds from the fixed time on, up to the year 2014.
SOURCE_TIMES = 1 << 30
_SOURCE = ".py"
#: Bytes that are read from a file at a time.
PIECE = 1 << 20
#: https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
_WHITEOUT = ".wh."
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class FolderOwner(NamedTuple):
    """What a folder is that an image has already, and that must stay so.

    Attributes:
        mode: its permissions, the special bits included.
        uid, gid: its owner.
    """

    mode: int = 0o755
    uid: int = 0
    gid: int = 0


class Contents(NamedTuple):
    """A workspace that was looked at.

    Attributes:
        projects: its projects.
        manifest: what they hold.
        started: when the look began, in ns since the epoch.
    """

    projects: Sequence[Project]
    manifest: Manifest
    started: int


def look(projects: Sequence[Project]) -> Contents:
    """Looks at every file of a workspace.

    Raises:
        WorkspaceError: something can't be read, or must not be in a workspace.
    """
    started = time.time_ns()
    manifest = scan(projects)
    for place, folder in manifest.folders.items():
        for name in (place.rpartition("/")[2], *folder.files, *folder.links):
            if name.startswith(_WHITEOUT):
                raise _whiteout(place if name not in folder.files and name not in folder.links else f"{place}/{name}")
    return Contents(projects, manifest, started)


def _whiteout(path: str) -> UnsafeWorkspaceError:
    path = path.lstrip("/")
    return UnsafeWorkspaceError(
        f"`{path}` in the workspace can't be in an image: a name that begins with `{_WHITEOUT}` deletes there",
        path=path,
        hint=f"add `{path}` to .torchxignore, or rename it",
    )


def tar_pieces(
    contents: Contents,
    prefix: str = "",
    parents: Mapping[str, FolderOwner] | None = None,
    progress: Progress = SILENT,
) -> Iterator[bytes]:
    """The archive, in pieces of at most about :data:`PIECE` bytes.

    Args:
        contents: the workspace.
        prefix: the folder in the archive that it goes to, without slashes at its ends; empty for the root.
        parents: further folders, put before all else, by path.
        progress: is told of every file.

    Raises:
        WorkspaceError: a file can't be read, or changes meanwhile.
    """
    for path, owner in (parents or {}).items():
        yield _header(path, tarfile.DIRTYPE, mode=owner.mode, owner=owner)
    folders = contents.manifest.folders
    for place in sorted(folders):
        path = f"{prefix}/{place}".strip("/")
        if place:
            yield _header(path, tarfile.DIRTYPE, mode=image_mode(folders[place].mode))
        yield from _entries(contents.projects, place, path, folders[place], progress)
    yield bytes(tarfile.BLOCKSIZE * 2)


def extra_file(name: str, content: bytes) -> bytes:
    """The archive's part of one more file; to be put before the rest."""
    return _header(name, tarfile.REGTYPE, mode=0o644, size=len(content)) + content + _padding(len(content))


def extra_folder(name: str, mode: int) -> bytes:
    """The archive's part of one more folder."""
    return _header(name, tarfile.DIRTYPE, mode=mode)


def _entries(
    projects: Sequence[Project], place: str, path: str, folder: FolderInfo, progress: Progress
) -> Iterator[bytes]:
    small = bytearray()  # one write for many small files
    for name in sorted([*folder.files, *folder.links]):
        full = f"{path}/{name}" if path else name
        if name in folder.links:
            small += _header(full, tarfile.SYMTYPE, mode=0o777, link=folder.links[name])
            continue
        info = folder.files[name]
        assert info is not None, "a scan looks at every file"
        source = source_of(projects[info[3]], place, name)
        mode = image_mode(info[0])
        if info[1] < PIECE:
            content = b"".join(_file_pieces(source, info))
            changed = source_time([content]) if name.endswith(_SOURCE) else FIXED_TIME
            small += _header(full, tarfile.REGTYPE, mode=mode, size=info[1], changed=changed)
            small += content
            small += _padding(info[1])
        else:
            changed = source_time(_file_pieces(source, info)) if name.endswith(_SOURCE) else FIXED_TIME
            yield bytes(small) + _header(full, tarfile.REGTYPE, mode=mode, size=info[1], changed=changed)
            yield from _file_pieces(source, info)
            small = bytearray(_padding(info[1]))
        progress.advance(1)
        if len(small) >= PIECE:
            yield bytes(small)
            small = bytearray()
    if small:
        yield bytes(small)


def _file_pieces(path: str, info: FileInfo) -> Iterator[bytes]:
    left = info[1]
    try:
        reader = os.open(path, _READ)
        try:
            while left and (piece := os.read(reader, min(left, PIECE))):
                left -= len(piece)
                yield piece
        finally:
            os.close(reader)
    except OSError as e:
        raise WorkspaceError(f"can't read the workspace's file `{path}`: {e.strerror}") from e
    if left:
        raise WorkspaceError(f"the workspace's file `{path}` became shorter while it was read", hint="submit again")


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def image_mode(mode: int) -> int:
    """The permissions in an image of a file or folder that has others here.

    Whether a clone's files may be written by their group depends on the user's umask, 022 or 002. That goes unless
    everybody may write: then somebody has said so.
    """
    return mode if mode & 0o002 else mode & ~0o020


def source_time(content: Iterable[bytes]) -> int:
    """The time that a Python source file of this content has in images, in seconds since the epoch.

    Args:
        content: its bytes, in pieces.
    """
    crc32, value = fast_zlib().crc32, 0
    for piece in content:
        value = crc32(piece, value)
    return FIXED_TIME + value % SOURCE_TIMES


def _header(
    path: str,
    kind: bytes,
    *,
    mode: int,
    size: int = 0,
    link: str = "",
    owner: FolderOwner | None = None,
    changed: int = FIXED_TIME,
) -> bytes:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.size, info.linkname, info.mtime = kind, mode, size, link, changed
    if owner:
        info.uid, info.gid = owner.uid, owner.gid
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
