"""Makes a folder from a workspace: a new one at once, an existing one by what has changed."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchx.specs import Workspace
    from torchx.workspace.manifest import Manifest
    from torchx.workspace.progress import Progress
    from torchx.workspace.projects import Project
    from torchx.workspace.record import Record

LOOKING, COPYING = "looking at workspace", "copying workspace"


def assemble(workspace: Workspace, target: str) -> None:
    """Copies a workspace into an empty folder.

    Args:
        workspace: its projects are laid over each other in their order, each without what its own ignore file excludes.
        target: an existing empty folder.

    Raises:
        WorkspaceError: a project does not exist, can't be read, or holds what must not be in a workspace.
    """
    from torchx.workspace.copy import copy_projects
    from torchx.workspace.progress import FileProgress
    from torchx.workspace.projects import resolve_projects

    with contextlib.ExitStack() as cleanup, FileProgress(COPYING) as progress:
        projects = resolve_projects(workspace, cleanup, progress)
        progress.phase(COPYING)
        copy_projects(projects, target, skip={os.path.realpath(target)}, progress=progress)


def publish(workspace: Workspace, target: str) -> None:
    """Makes ``target`` a copy of a workspace, whatever state it is in.

    A new folder appears complete, by one rename. In an existing one each changed file is replaced by a rename, files
    that a former copy brought and the workspace no longer has are removed, and all other files (a job's outputs) stay.
    An unchanged workspace costs one ``stat`` per file.

    Args:
        workspace: see :func:`assemble`.
        target: the folder; it need not exist.

    Raises:
        WorkspaceError: the workspace does not exist, can't be read, holds what must not be in one, or ``target`` can't
            be written.
    """
    from torchx.workspace.errors import WorkspaceError
    from torchx.workspace.progress import FileProgress
    from torchx.workspace.projects import resolve_projects
    from torchx.workspace.record import load
    from torchx.workspace.unchanged import surely_unchanged

    with contextlib.ExitStack() as cleanup, FileProgress(LOOKING) as progress:
        projects = resolve_projects(workspace, cleanup, progress)
        target = os.path.realpath(target)
        if any(project.source == target for project in projects):
            if len(projects) == 1 and not projects[0].target:
                return  # the workspace is its own copy
            raise WorkspaceError(f"`{target}` is one of the workspace's projects", hint="use another job_dir")
        progress.phase(LOOKING)
        record = load(target, projects)
        if record is None or not surely_unchanged(target, projects, record):
            try:
                _copy(projects, target, record, progress)
            except OSError as e:
                raise WorkspaceError(f"can't write the workspace to `{target}`: {e.strerror or e}") from e


def _copy(projects: Sequence[Project], target: str, record: Record | None, progress: Progress) -> None:
    from torchx.workspace.record import save

    started = time.time_ns()
    manifest = None
    if not os.path.lexists(target):
        manifest = _copy_new(projects, target, progress)
    if manifest is None:
        manifest = _update(projects, target, record, progress)
    save(target, projects, manifest, started)


def _copy_new(projects: Sequence[Project], target: str, progress: Progress) -> Manifest | None:
    """Makes the whole folder aside and renames it; None where the parent folder does not let us."""
    from torchx.workspace.copy import copy_projects, current_umask

    parent = os.path.dirname(target)
    os.makedirs(parent, exist_ok=True)
    with _staging(target, parent) as staging:
        if not staging:
            return None
        progress.phase(COPYING)
        manifest = copy_projects(projects, staging, skip={target, staging}, progress=progress)
        os.chmod(staging, 0o777 & ~current_umask(staging))
        try:
            os.rename(staging, target)
        except OSError:
            return None  # somebody else made it meanwhile
        return manifest


def _update(projects: Sequence[Project], target: str, record: Record | None, progress: Progress) -> Manifest:
    from torchx.workspace.copy import set_folder_modes
    from torchx.workspace.manifest import scan
    from torchx.workspace.sync import apply_changes, find_changes

    os.makedirs(target, exist_ok=True)
    manifest = scan(projects, skip={target}, progress=progress)
    changes = find_changes(target, projects, manifest, record)
    if not changes:
        set_folder_modes(target, manifest, manifest.folders)
        return manifest
    with _staging(target, os.path.dirname(target), target) as staging:
        progress.phase(COPYING, len(changes.files))
        apply_changes(target, staging, projects, manifest, changes, progress)
    return manifest


@contextlib.contextmanager
def _staging(target: str, *parents: str) -> Iterator[str]:
    """A folder beside ``target`` on its file system; removed in the end, if it is still there.

    Yields:
        its path; empty where it can be made in none of ``parents``.
    """
    import tempfile

    staging = ""
    for parent in parents:
        with contextlib.suppress(PermissionError):
            if os.stat(parent).st_dev == os.stat(target if os.path.exists(target) else parent).st_dev:
                staging = tempfile.mkdtemp(prefix=f".{os.path.basename(target)[:100]}.torchx-", dir=parent)
                break
    try:
        yield staging
    finally:
        if staging and os.path.isdir(staging):
            _remove_tree(staging)


def _remove_tree(path: str) -> None:
    import shutil

    for folder, _, _ in os.walk(path):
        os.chmod(folder, 0o700)  # a read-only folder would keep its entries
    shutil.rmtree(path, ignore_errors=True)
