"""From a workspace to the local folders that it stands for."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from torchx.workspace.api import TORCHX_IGNORE
from torchx.workspace.errors import WorkspaceError, WorkspaceNotFoundError
from torchx.workspace.ignore import IgnoreRules
from torchx.workspace.progress import SILENT
from torchx.workspace.walk import local_root, read_rules, walk_fs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from fsspec import AbstractFileSystem

    from torchx.specs import Workspace
    from torchx.workspace.progress import Progress


class Project(NamedTuple):
    """One local project of a workspace.

    Attributes:
        source: its real path; a folder, or a single file.
        target: where it goes, relative to the image's root, with ``/``; empty for the root itself. For a single file
            the path of the file.
        rules: its own ignore rules.
        is_file: it is a single file.
        origin: how the workspace names it; ``source`` is a temporary folder where that is remote.
    """

    source: str
    target: str
    rules: IgnoreRules
    is_file: bool
    origin: str


def resolve_projects(workspace: Workspace, cleanup: ExitStack, progress: Progress = SILENT) -> list[Project]:
    """The projects of a workspace, each with its own ignore file.

    A project at an fsspec URL is first fetched into a temporary folder.

    Args:
        workspace: the workspace.
        cleanup: removes the temporary folders when it is closed.
        progress: is told what is being fetched.

    Raises:
        WorkspaceNotFoundError: a project does not exist.
        WorkspaceError: a project's place is outside the image.
        IgnoreFileError: a line of an ignore file is not a valid pattern.
    """
    return [_resolve(source, target, cleanup, progress) for source, target in workspace.projects.items()]


def _resolve(source: str, target: str, cleanup: ExitStack, progress: Progress) -> Project:
    place = _checked_target(source, target)
    origin = source
    if is_remote(source):
        source = _fetch(source, cleanup, progress)
    plain = os.path.expanduser(source.removeprefix("file://"))
    if os.path.isfile(plain):
        place = place or os.path.basename(plain)
        return Project(os.path.realpath(plain), place, IgnoreRules(), True, origin)
    root = local_root(source)
    return Project(root, place, read_rules(root, TORCHX_IGNORE), False, origin)


def is_remote(source: str) -> bool:
    """Whether a project's path is an fsspec URL of a file system that is not the local one."""
    scheme, mark, _ = source.partition("://")
    return bool(mark) and scheme not in ("file", "local")


def _checked_target(source: str, target: str) -> str:
    place = os.path.normpath(target) if target else ""
    if os.path.isabs(place) or place.split("/")[0] == "..":
        raise WorkspaceError(
            f"workspace project `{source}` is mapped to `{target}`, which is outside the workspace",
            hint="map it to a path relative to the workspace's root",
        )
    return "" if place == "." else place


def _fetch(url: str, cleanup: ExitStack, progress: Progress) -> str:
    """Copies a project from a remote file system to a temporary folder, without what is ignored."""
    import tempfile

    from fsspec.core import url_to_fs

    try:
        fs, path = url_to_fs(url)
    except (ValueError, ImportError) as e:
        raise WorkspaceNotFoundError(f"workspace `{url}` can't be opened: {e}") from e
    progress.phase("fetching workspace")
    local = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="torchx-workspace-"))
    try:
        _fetch_files(fs, path, local, progress)
    except WorkspaceNotFoundError as e:
        raise WorkspaceNotFoundError(f"workspace `{url}` does not exist or is not a folder") from e
    except OSError as e:
        raise WorkspaceError(f"workspace `{url}` can't be read: {e}") from e
    return local


def _fetch_files(fs: AbstractFileSystem, path: str, local: str, progress: Progress) -> None:
    from fsspec.callbacks import Callback

    root = str(fs._strip_protocol(path)).rstrip("/")
    for folder, _, files in walk_fs(fs, path, TORCHX_IGNORE):
        here = os.path.join(local, folder[len(root) :].strip("/"))
        os.makedirs(here, exist_ok=True)
        for name, info in files.items():
            progress.within(name)
            told = Callback(hooks={"progress": partial(_tell, progress, name)})
            fs.get_file(info["name"], os.path.join(here, name), callback=told)
            _set_mtime(os.path.join(here, name), info)
            progress.advance(1)


def _tell(progress: Progress, name: str, size: int | None, value: int, **_: object) -> None:
    progress.within(name, value, size)


def _set_mtime(path: str, info: object) -> None:
    """Gives a fetched file the time of its origin, so that it counts as unchanged the next time."""
    from collections.abc import Mapping
    from datetime import datetime

    assert isinstance(info, Mapping)
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        stamp = info.get(key)
        seconds = stamp.timestamp() if isinstance(stamp, datetime) else stamp
        if isinstance(seconds, (int, float)):
            os.utime(path, (seconds, seconds))
            return


def source_of(project: Project, folder: str, name: str) -> str:
    """The path of a project's file.

    Args:
        project: the project.
        folder: the file's folder, relative to the image's root.
        name: the file's name.
    """
    if project.is_file:
        return project.source
    below = folder[len(project.target) :].lstrip("/")
    return f"{project.source}/{below}/{name}" if below else f"{project.source}/{name}"


def parents(folder: str) -> Iterator[str]:
    """The folders on the way to ``folder``, the root first, itself last."""
    yield ""
    parts = folder.split("/") if folder else []
    for end in range(1, len(parts) + 1):
        yield "/".join(parts[:end])
