"""Brings a folder that holds an earlier state of a workspace, and perhaps a job's outputs, up to date."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from torchx.workspace.copy import current_umask, set_folder_modes
from torchx.workspace.errors import WorkspaceError
from torchx.workspace.fastcopy import CHUNK, copy_files
from torchx.workspace.manifest import file_info
from torchx.workspace.parallel import failed
from torchx.workspace.projects import source_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchx.workspace.fastcopy import Mark
    from torchx.workspace.manifest import FolderInfo, Manifest
    from torchx.workspace.progress import Progress
    from torchx.workspace.projects import Project
    from torchx.workspace.record import Record


class Changes(NamedTuple):
    """What differs between a workspace and its copy; false where nothing does.

    Attributes:
        folders: paths of folders to make, parents first.
        files: (folder, name) of files to copy.
        links: (folder, name) of links to make.
        gone: paths of files and links to remove.
        gone_folders: paths of folders to remove if they are empty then, children first.
    """

    folders: list[str]
    files: list[tuple[str, str]]
    links: list[tuple[str, str]]
    gone: list[str]
    gone_folders: list[str]

    def __bool__(self) -> bool:
        return any((self.folders, self.files, self.links, self.gone, self.gone_folders))


def find_changes(target: str, projects: Sequence[Project], new: Manifest, old: Record | None) -> Changes:
    """Compares a workspace with its copy.

    A copied file of the same size, permissions and time is that of the workspace if neither has changed since it was
    copied: if the original's mark is that of the record. Where this is not known, the contents decide: archives, and
    copies that keep times, give the same time to different files.

    Args:
        target: the copy.
        projects: the workspace's projects.
        new: what the workspace holds.
        old: the record of the last copy, if there is one. What it lists, the workspace does not hold any more, and
            nobody has changed since, is to be removed; nothing else is.
    """
    folders, files, links = [], [], []
    real = _RealFolders(target)
    marks = old.marks() if old else {}
    for place, folder in new.folders.items():
        if not real.has(place):
            folders.append(place)
            files += [(place, name) for name in folder.files]
            links += [(place, name) for name in folder.links]
            continue
        here = os.open(os.path.join(target, place), os.O_RDONLY | os.O_DIRECTORY)
        try:
            known = _Originals(projects, place, folder, marks.get(place, {}), old.finished if old else 0)
            files += [(place, name) for name in folder.files if not known.same(here, name)]
            links += [(place, name) for name, link in folder.links.items() if not _same_link(here, name, link)]
        finally:
            os.close(here)
    gone, gone_folders = _find_gone(target, new, old, real) if old else ([], [])
    return Changes(folders, files, links, gone, gone_folders)


class _RealFolders:
    """Tells the folders of a copy from what only looks like one: a job may have put links there that lead out."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._known = {"": True}

    def has(self, place: str) -> bool:
        """Whether ``place`` can be reached without following a link, and is a folder."""
        if place not in self._known:
            path = os.path.join(self._target, place)
            self._known[place] = self.has(place.rpartition("/")[0]) and os.path.isdir(path) and not os.path.islink(path)
        return self._known[place]


class _Originals:
    """The files of one folder of the workspace, to compare copies with.

    Args:
        projects: the workspace's projects.
        place: the folder, relative to the image's root.
        folder: what it holds.
        marks: what marks the files had when they were copied.
        finished: when that was complete, in ns, by the clock of the copy's file system.
    """

    def __init__(
        self,
        projects: Sequence[Project],
        place: str,
        folder: FolderInfo,
        marks: Mapping[str, Mark],
        finished: int,
    ) -> None:
        self._projects = projects
        self._place = place
        self._folder = folder
        self._marks = marks
        self._finished = finished

    def same(self, copies: int, name: str) -> bool:
        """Whether the file of a name in an open folder is the copy of the one here."""
        try:
            found = os.stat(name, dir_fd=copies, follow_symlinks=False)
        except FileNotFoundError:
            return False
        info = self._folder.files[name]
        if info is None or not stat.S_ISREG(found.st_mode) or file_info(found, info[3]) != info:
            return False
        if self._marks.get(name) == self._folder.marks[name] and found.st_ctime_ns <= self._finished:
            return True
        return _same_content(source_of(self._projects[info[3]], self._place, name), copies, name)


def _same_content(original: str, copies: int, name: str) -> bool:
    """Whether two files hold the same; one that can't be read, such as one that the job has closed, does not."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with (
            open(os.open(original, flags), "rb", buffering=0) as one,
            open(os.open(name, flags, dir_fd=copies), "rb", buffering=0) as other,
        ):
            while piece := one.read(CHUNK):
                if other.read(len(piece)) != piece:
                    return False
            return not other.read(1)
    except OSError:
        return False  # copying it tells why


def _same_link(folder: int, name: str, link: str) -> bool:
    try:
        return os.readlink(name, dir_fd=folder) == link
    except OSError:
        return False


def _find_gone(target: str, new: Manifest, old: Record, real: _RealFolders) -> tuple[list[str], list[str]]:
    gone = []
    brought = {place: names for place, names in old.names().items() if real.has(place)}
    for place, names in brought.items():
        now = new.folders.get(place)
        left = [name for name in names if not now or (name not in now.files and name not in now.links)]
        if not left:
            continue
        here = os.open(os.path.join(target, place), os.O_RDONLY | os.O_DIRECTORY)
        try:
            gone += [f"{place}/{name}" if place else name for name in left if _untouched(here, name, old.finished)]
        finally:
            os.close(here)
    return gone, sorted((place for place in brought if place not in new.folders), reverse=True)


def _untouched(folder: int, name: str, since: int) -> bool:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return found.st_ctime_ns <= since and not stat.S_ISDIR(found.st_mode)


def apply_changes(
    target: str, staging: str, projects: Sequence[Project], new: Manifest, changes: Changes, progress: Progress
) -> None:
    """Carries out what :func:`find_changes` has found.

    Everything is copied to ``staging`` before the first file in ``target`` changes; then each takes its place by a
    rename, so that a running job never sees half a file.

    Args:
        target: the copy.
        staging: an empty folder on the same file system.
        projects: the workspace's projects.
        new: what the workspace holds.
        changes: what is to be done.
        progress: is told how far it is.

    Raises:
        WorkspaceError: something can't be read or written, or the job has a folder where a file belongs.
    """
    _stage(staging, projects, new, changes, progress)
    _make_writable(target, changes)
    for path in changes.gone:
        os.unlink(os.path.join(target, path))
    for path in changes.gone_folders:
        _remove_if_empty(os.path.join(target, path))
    for place in changes.folders:
        _make_folder(os.path.join(target, place))
    for number, (place, name) in enumerate((*changes.files, *changes.links)):
        try:
            os.rename(os.path.join(staging, str(number)), os.path.join(target, place, name))
        except (IsADirectoryError, NotADirectoryError) as e:
            raise WorkspaceError(
                f"`{os.path.join(target, place, name)}` is a folder where the workspace has a file",
                hint="remove it, or use another job_dir",
            ) from e
    set_folder_modes(target, new, new.folders)


def _stage(staging: str, projects: Sequence[Project], new: Manifest, changes: Changes, progress: Progress) -> None:
    umask = current_umask(staging)
    for number, (place, name) in enumerate(changes.files):
        info = new.folders[place].files[name]
        assert info is not None, "a scan looks at every file"
        source, original = os.path.split(source_of(projects[info[3]], place, name))
        try:
            copy_files(source, staging, [(original, str(number))], umask, progress)
        except OSError as e:
            raise failed(e) from e
        progress.advance(1)
    for number, (place, name) in enumerate(changes.links, start=len(changes.files)):
        os.symlink(new.folders[place].links[name], os.path.join(staging, str(number)))


def _make_writable(target: str, changes: Changes) -> None:
    """Opens folders of a read-only mode to their owner; they are closed again in the end."""
    paths = [*changes.gone, *changes.folders, *changes.gone_folders]
    touched = {path.rpartition("/")[0] for path in paths} | {place for place, _ in (*changes.files, *changes.links)}
    real = _RealFolders(target)
    for place in touched:
        path = os.path.join(target, place)
        if real.has(place) and os.stat(path).st_mode & 0o300 != 0o300:
            os.chmod(path, os.stat(path).st_mode | 0o700)


def _remove_if_empty(path: str) -> None:
    try:
        os.rmdir(path)
    except OSError:
        return  # it holds what is not ours, or is gone already


def _make_folder(path: str) -> None:
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)  # a link would lead what is written below it out of the image
    os.makedirs(path, exist_ok=True)
