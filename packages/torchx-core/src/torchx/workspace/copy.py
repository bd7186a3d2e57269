"""Copies a workspace into a folder of its own: one pass over the files, in parallel where that pays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from torchx.workspace.errors import WorkspaceError
from torchx.workspace.manifest import DEFAULT_MODE, MODE_BITS, Manifest, known_mode, merge_folder, place_of, read_links
from torchx.workspace.walk import walk_folders

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from torchx.workspace.progress import FileProgress
    from torchx.workspace.projects import Project
    from torchx.workspace.walk import Folder

#: Up to this many bytes a file is copied by one read and one write.
SMALL = 1 << 20
#: Threads for file systems that make us wait. Where they do not, threads would only fight over the interpreter.
THREADS = 16
#: Files after which it is known whether they do.
SAMPLE = 64

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def copy_projects(
    projects: Sequence[Project], target: str, *, skip: Collection[str] = (), progress: FileProgress | None = None
) -> Manifest:
    """Copies the projects of a workspace into a new folder, later ones over earlier ones.

    Contents, permissions, times of last change, links and empty folders are kept.

    Args:
        projects: the projects.
        target: an existing empty folder.
        skip: real paths of folders to leave out.
        progress: is told of every copied file.

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


class _Copied(NamedTuple):
    newest: int
    mode: int
    links: dict[str, str]


class _Copier:
    def __init__(self, manifest: Manifest, target: str, progress: FileProgress | None) -> None:
        self._manifest = manifest
        self._target = target
        self._progress = progress
        self._umask = current_umask(target)

    def copy_folders(self, project: Project, folders: Iterable[Folder]) -> None:
        """Copies folders one after the other, and goes on in threads if this turns out to be slow."""
        files = 0
        waits = _waits()
        todo = iter(folders)
        for folder in todo:
            self._merge(project, folder, self._copy(project, folder))
            files += len(folder.files)
            if files >= SAMPLE and _waits() - waits > files:
                self._copy_in_threads(project, todo)

    def _copy_in_threads(self, project: Project, folders: Iterator[Folder]) -> None:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(THREADS, thread_name_prefix="torchx-copy") as pool:
            pending = []
            try:
                for folder in folders:
                    # Made here, in order, because a child must not come before its parent.
                    self._make_folder(place_of(project, folder))
                    pending.append((folder, pool.submit(self._copy, project, folder)))
                for folder, result in pending:
                    self._merge(project, folder, result.result())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def copy_single(self, project: Project) -> None:
        """Copies a project that is one file."""
        folder, _, name = project.target.rpartition("/")
        self._make_folder(folder)
        source = os.open(os.path.dirname(project.source), _READ | os.O_DIRECTORY)
        target = os.open(os.path.join(self._target, folder), _READ | os.O_DIRECTORY)
        try:
            self._manifest.check_no_folder(folder, [name])
            names = [(os.path.basename(project.source), name)]
            newest = copy_files(source, target, names, self._umask, os.path.dirname(project.source))
        finally:
            os.close(source)
            os.close(target)
        self._manifest.newest = max(self._manifest.newest, newest)
        merge_folder(self._manifest, folder, known_mode(self._manifest, folder), {name: None}, {})

    def _copy(self, project: Project, folder: Folder) -> _Copied:
        """Copies the files and links of one folder; returns what there was."""
        place = place_of(project, folder)
        path = self._make_folder(place)
        source = os.open(folder.path, _READ | os.O_DIRECTORY)
        try:
            target = os.open(path, _READ | os.O_DIRECTORY)
            try:
                return self._copy_entries(project, folder, source, target)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _copy_entries(self, project: Project, folder: Folder, source: int, target: int) -> _Copied:
        own = os.fstat(source)
        names = zip(folder.files, folder.files, strict=True)
        newest = max(own.st_ctime_ns, copy_files(source, target, names, self._umask, folder.path))
        links = read_links(project, folder)
        for name, link in links.items():
            newest = max(newest, os.stat(name, dir_fd=source, follow_symlinks=False).st_ctime_ns)
            make_link(link, target, name)
        return _Copied(newest, own.st_mode & MODE_BITS, links)

    def _merge(self, project: Project, folder: Folder, copied: _Copied) -> None:
        self._manifest.newest = max(self._manifest.newest, copied.newest)
        files = dict.fromkeys(folder.files)
        merge_folder(self._manifest, place_of(project, folder), copied.mode, files, copied.links)
        if self._progress:
            self._progress.advance(len(files))

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


def _waits() -> int:
    """How often this thread has given up the processor to wait for something, such as a disk or a file server."""
    import resource

    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_nvcsw


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


def copy_files(source: int, target: int, names: Iterable[tuple[str, str]], umask: int, where: str) -> int:
    """Copies files between two open folders, with their permissions and times of last change.

    Args:
        source: descriptor of the folder to copy from.
        target: descriptor of the folder to copy to; files and links that are in the way there are replaced.
        names: each file's name in ``source`` (a link is refused) and in ``target``.
        umask: the process's umask.
        where: path of ``source``, for messages.

    Returns:
        the latest time of a change of content or permissions (``ctime``) of the originals, in ns.

    Raises:
        WorkspaceError: a file can't be read or written.
    """
    # One loop over system calls, without a call of ours in between: for small files this is most of the time.
    open_, close, fstat, read, write, utime = os.open, os.close, os.fstat, os.read, os.write, os.utime
    newest, name = 0, ""
    try:
        for name, new_name in names:
            reader = open_(name, _READ, 0, dir_fd=source)
            try:
                found = fstat(reader)
                mode, size, changed = found.st_mode & MODE_BITS, found.st_size, found.st_mtime_ns
                writer = _create(new_name, mode, target)
                try:
                    # One byte more is asked for than there should be: if it comes, the file has grown.
                    if size > SMALL or write(writer, read(reader, size + 1)) != size:
                        _copy_all(reader, writer)
                    if mode & umask:
                        os.fchmod(writer, mode)
                    utime(writer, ns=(changed, changed))
                finally:
                    close(writer)
            finally:
                close(reader)
            if found.st_ctime_ns > newest:
                newest = found.st_ctime_ns
    except OSError as e:
        raise failed(f"{where}/{name}", e) from e
    return newest


def _create(name: str, mode: int, folder: int) -> int:
    try:
        return os.open(name, _CREATE, mode, dir_fd=folder)
    except FileExistsError:
        os.unlink(name, dir_fd=folder)
        return os.open(name, _CREATE, mode, dir_fd=folder)


def failed(path: str, error: OSError) -> WorkspaceError:
    """The error for a file that can't be copied."""
    return WorkspaceError(f"can't copy the workspace's file `{path}`: {error.strerror or error}")


def _copy_all(reader: int, writer: int) -> None:
    os.lseek(reader, 0, os.SEEK_SET)
    os.ftruncate(writer, os.lseek(writer, 0, os.SEEK_SET))
    while _copy_chunk(reader, writer):
        pass


def _copy_chunk(reader: int, writer: int) -> int:
    try:
        # The file system copies, or shares the blocks, where it can.
        return os.copy_file_range(reader, writer, 1 << 30)
    except (AttributeError, OSError):
        content = memoryview(os.read(reader, SMALL))
        size = len(content)
        while content:
            content = content[os.write(writer, content) :]
        return size


def make_link(link: str, folder: int, name: str) -> None:
    """Makes a symbolic link in an open folder; a file or link of that name is replaced."""
    try:
        os.symlink(link, name, dir_fd=folder)
    except FileExistsError:
        os.unlink(name, dir_fd=folder)
        os.symlink(link, name, dir_fd=folder)


def set_folder_modes(target: str, manifest: Manifest, folders: Iterable[str]) -> None:
    """Gives copied folders their permissions, children first: a parent may end up closed to its owner.

    The image's root keeps its own: jobs write there.
    """
    for folder in sorted(folders, reverse=True):
        path = os.path.join(target, folder)
        if folder and os.stat(path).st_mode & MODE_BITS != manifest.folders[folder].mode:
            os.chmod(path, manifest.folders[folder].mode)
