"""Copies a workspace into a folder of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from torchx.workspace.fastcopy import MODE_BITS, copy_files
from torchx.workspace.manifest import DEFAULT_MODE, Manifest, known_mode, merge_folder, place_of, read_links
from torchx.workspace.parallel import copy_jobs, failed
from torchx.workspace.progress import SILENT
from torchx.workspace.walk import walk_folders

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from torchx.workspace.fastcopy import Job
    from torchx.workspace.progress import Progress
    from torchx.workspace.projects import Project
    from torchx.workspace.walk import Folder

#: Files of a folder that are copied by one job.
JOB_FILES = 256


def copy_projects(
    projects: Sequence[Project], target: str, *, skip: Collection[str] = (), progress: Progress = SILENT
) -> Manifest:
    """Copies the projects of a workspace into a new folder, later ones over earlier ones.

    Contents, permissions, times of last change, links and empty folders are kept.

    Args:
        projects: the projects.
        target: an existing empty folder.
        skip: real paths of folders to leave out.
        progress: is told how far it is.

    Returns:
        what was copied.

    Raises:
        WorkspaceError: something can't be read, written, or must not be in a workspace.
    """
    manifest = Manifest()
    manifest.add_folder("", DEFAULT_MODE)
    copier = _Copier(manifest, target, progress)
    for project in projects:
        if project.is_file:
            copier.copy_single(project)
        else:
            folders = walk_folders(project.source, project.rules, skip=skip, pruned=manifest.pruned)
            copier.copy_folders(project, folders)
    set_folder_modes(target, manifest, manifest.folders)
    return manifest


class _Copier:
    def __init__(self, manifest: Manifest, target: str, progress: Progress) -> None:
        self._manifest = manifest
        self._target = target
        self._progress = progress
        self._umask = current_umask(target)

    def copy_folders(self, project: Project, folders: Iterable[Folder]) -> None:
        """Makes all folders and links, then copies the files."""
        jobs: list[Job] = []
        for folder in folders:
            path = self._prepare(project, folder)
            for start in range(0, len(folder.files), JOB_FILES):
                jobs.append((folder.path, path, folder.files[start : start + JOB_FILES], self._umask))
        for (_, path, names, _), marks in copy_jobs(jobs, self._progress):
            self._manifest.mark(path[len(self._target) + 1 :], names, marks)

    def copy_single(self, project: Project) -> None:
        """Copies a project that is one file."""
        folder, _, name = project.target.rpartition("/")
        path = self._make_folder(folder)
        merge_folder(self._manifest, folder, known_mode(self._manifest, folder), {name: None}, {})
        source, original = os.path.split(project.source)
        try:
            marks = copy_files(source, path, [(original, name)], self._umask, self._progress)
        except OSError as e:
            raise failed(e) from e
        self._manifest.mark(folder, [name], marks)

    def _prepare(self, project: Project, folder: Folder) -> str:
        """Makes a folder with its links, and records what will be in it; returns its path."""
        place = place_of(project, folder)
        path = self._make_folder(place)
        own = os.stat(folder.path)
        newest = own.st_ctime_ns
        links = read_links(project, folder)
        for name, link in links.items():
            newest = max(newest, os.lstat(f"{folder.path}/{name}").st_ctime_ns)
            make_link(link, f"{path}/{name}")
        self._manifest.newest = max(self._manifest.newest, newest)
        merge_folder(self._manifest, place, own.st_mode & MODE_BITS, dict.fromkeys(folder.files), links)
        return path

    def _make_folder(self, place: str) -> str:
        path = f"{self._target}/{place}" if place else self._target
        if place in self._manifest.folders:
            return path
        try:
            # Open to its owner until all is in it; its own mode comes last.
            os.mkdir(path)
        except FileNotFoundError:
            self._make_folder(place.rpartition("/")[0])
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path) or os.path.islink(path):
                os.unlink(path)  # an earlier project's file; the later one has a folder here
                os.mkdir(path)
        return path


def current_umask(folder: str) -> int:
    """The process's umask, found without changing it (it belongs to all threads)."""
    import tempfile

    probe = os.path.join(tempfile.mkdtemp(prefix=".umask-", dir=folder), "probe")
    try:
        os.mkdir(probe)
        return MODE_BITS & ~os.stat(probe).st_mode
    finally:
        os.rmdir(probe)
        os.rmdir(os.path.dirname(probe))


def make_link(link: str, path: str) -> None:
    """Makes a symbolic link; a file or link that is in its place is replaced."""
    try:
        os.symlink(link, path)
    except FileExistsError:
        os.unlink(path)
        os.symlink(link, path)


def set_folder_modes(target: str, manifest: Manifest, folders: Iterable[str]) -> None:
    """Gives copied folders their permissions, children first: a parent may end up closed to its owner.

    The image's root keeps its own: jobs write there.
    """
    for folder in sorted(folders, reverse=True):
        path = os.path.join(target, folder)
        if folder and os.stat(path).st_mode & MODE_BITS != manifest.folders[folder].mode:
            os.chmod(path, manifest.folders[folder].mode)
