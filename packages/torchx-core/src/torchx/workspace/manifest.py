"""What a workspace holds, as far as a ``stat`` tells: the measure of whether it has changed."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from torchx.workspace.errors import WorkspaceError
from torchx.workspace.fastcopy import MODE_BITS
from torchx.workspace.links import safe_target
from torchx.workspace.progress import SILENT
from torchx.workspace.projects import parents
from torchx.workspace.walk import walk_folders

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from torchx.workspace.fastcopy import Mark
    from torchx.workspace.progress import Progress
    from torchx.workspace.projects import Project
    from torchx.workspace.walk import Folder

#: Permissions of a folder that no project has as such: the image's root, and the way to a project's place.
DEFAULT_MODE = 0o755
#: (permissions, size in bytes, time of last change in ns, index of its project)
FileInfo = tuple[int, int, int, int]


class FolderInfo:
    """What one folder holds.

    Attributes:
        mode: the folder's permissions.
        files: what a ``stat`` tells of each file, by name; None where nobody asked.
        links: the target of each link, by name.
        marks: the mark of each file's original, by name, and of files that another project's have replaced.
    """

    __slots__ = ("files", "links", "marks", "mode")

    def __init__(self, mode: int, files: dict[str, FileInfo | None], links: dict[str, str]) -> None:
        self.mode = mode
        self.files = files
        self.links = links
        self.marks: dict[str, Mark] = {}


class Manifest:
    """What the image made from a workspace holds.

    Attributes:
        folders: every folder by its path relative to the image's root, parents before children.
        newest: the latest time of a change of anything in it (``st_ctime_ns``).
        pruned: full paths of the source folders that were not entered.
    """

    def __init__(self) -> None:
        self.folders: dict[str, FolderInfo] = {}
        self.newest = 0
        self.pruned: list[str] = []

    def add_folder(self, folder: str, mode: int) -> FolderInfo:
        """The record of a folder, made where there is none; its parents too. The last project decides the mode."""
        known = self.folders.get(folder)
        if known is None:
            for parent in parents(folder):
                if parent not in self.folders:
                    self._drop_entry(parent)
                    self.folders[parent] = FolderInfo(DEFAULT_MODE, {}, {})
            known = self.folders[folder]
        known.mode = mode if folder else DEFAULT_MODE
        return known

    def _drop_entry(self, path: str) -> None:
        """Forgets a file or link of an earlier project where a later one has a folder."""
        parent, _, name = path.rpartition("/")
        if name and parent in self.folders:
            self.folders[parent].files.pop(name, None)
            self.folders[parent].links.pop(name, None)

    def check_no_folder(self, folder: str, names: Collection[str]) -> None:
        """Refuses files and links of a later project where an earlier one has a folder."""
        for name in names:
            path = f"{folder}/{name}" if folder else name
            if path in self.folders:
                raise WorkspaceError(f"two projects of the workspace disagree: `{path}` is a folder in one only")

    def mark(self, folder: str, names: Iterable[str], marks: Iterable[Mark]) -> None:
        """Keeps the marks of the originals of a folder's files."""
        found = dict(zip(names, marks, strict=True))
        self.folders[folder].marks.update(found)
        self.newest = max(self.newest, max((changed for _, changed in found.values()), default=0))


def scan(projects: Sequence[Project], *, skip: Collection[str] = (), progress: Progress = SILENT) -> Manifest:
    """Looks at every file of a workspace, once.

    Args:
        projects: the workspace's projects; later ones lie over earlier ones.
        skip: real paths of folders to leave out.
        progress: is told how far it is.

    Raises:
        WorkspaceError: something can't be read, or must not be in a workspace.
    """
    manifest = Manifest()
    manifest.add_folder("", DEFAULT_MODE)
    for index, project in enumerate(projects):
        if project.is_file:
            _scan_file(manifest, project, index)
            continue
        for folder in walk_folders(project.source, project.rules, skip=skip, pruned=manifest.pruned):
            _scan_folder(manifest, project, folder, index)
            progress.advance(len(folder.files))
    return manifest


def place_of(project: Project, folder: Folder) -> str:
    """Where a project's folder goes, relative to the image's root."""
    return f"{project.target}/{folder.rel}".strip("/") if project.target else folder.rel


def read_links(project: Project, folder: Folder) -> dict[str, str]:
    """The checked targets of a folder's links, by name."""
    return {name: safe_target(project.source, folder.rel, name) for name in folder.links}


def known_mode(manifest: Manifest, folder: str) -> int:
    """The permissions that a folder has so far."""
    return manifest.folders[folder].mode if folder in manifest.folders else DEFAULT_MODE


def file_info(found: os.stat_result, index: int) -> FileInfo:
    """What is kept of a file's ``stat``."""
    return found.st_mode & MODE_BITS, found.st_size, found.st_mtime_ns, index


def _scan_file(manifest: Manifest, project: Project, index: int) -> None:
    folder, _, name = project.target.rpartition("/")
    found = os.stat(project.source)
    manifest.check_no_folder(folder, [name])
    info = manifest.add_folder(folder, known_mode(manifest, folder))
    info.links.pop(name, None)
    info.files[name] = file_info(found, index)
    manifest.mark(folder, [name], [(found.st_ino, found.st_ctime_ns)])


def _scan_folder(manifest: Manifest, project: Project, folder: Folder, index: int) -> None:
    place = place_of(project, folder)
    try:
        here = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as e:
        raise WorkspaceError(f"can't read the workspace's folder `{folder.path}`: {e.strerror}") from e
    try:
        own = os.fstat(here)
        # Relative to the open folder, a stat costs half of what it costs with the full path.
        stats = {name: os.stat(name, dir_fd=here, follow_symlinks=False) for name in folder.files}
        newest = own.st_ctime_ns
        for name in folder.links:
            newest = max(newest, os.stat(name, dir_fd=here, follow_symlinks=False).st_ctime_ns)
    except OSError as e:
        raise WorkspaceError(f"workspace `{project.source}` changed while it was read: {e}") from e
    finally:
        os.close(here)
    manifest.newest = max(manifest.newest, newest)
    files: dict[str, FileInfo | None] = {
        name: file_info(found, index) for name, found in stats.items() if stat.S_ISREG(found.st_mode)
    }
    merge_folder(manifest, place, own.st_mode & MODE_BITS, files, read_links(project, folder))
    manifest.mark(place, stats, [(found.st_ino, found.st_ctime_ns) for found in stats.values()])


def merge_folder(
    manifest: Manifest, place: str, mode: int, files: dict[str, FileInfo | None], links: dict[str, str]
) -> FolderInfo:
    """Lays a project's folder over what earlier projects have at the same place."""
    if not (known := manifest.folders.get(place)) or not (known.files or known.links):
        if known and len(manifest.folders) > 1:  # what is below a known folder is known only together with it
            manifest.check_no_folder(place, (*files, *links))
        info = manifest.add_folder(place, mode)
        info.files, info.links = files, links
        return info
    manifest.check_no_folder(place, (*files, *links))
    info = manifest.add_folder(place, mode)
    for name in links:
        info.files.pop(name, None)
    for name in files:
        info.links.pop(name, None)
    info.files.update(files)
    info.links.update(links)
    return info
