"""The inner loop of copying files."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from torchx.workspace.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchx.workspace.progress import Progress

    #: Folder to copy from, folder to copy to, names of the files, the process's umask.
    Job = tuple[str, str, list[str], int]

#: Permissions of files and folders that are kept. Set-user-id and its like would take effect for whoever copies.
MODE_BITS = 0o777
#: Bytes that are copied at a time where the file system can't copy by itself.
CHUNK = 1 << 20
#: Larger files are copied in pieces of this many bytes, and progress is told of each.
PIECE = 16 << 20

_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def copy_job(job: Job, progress: Progress = SILENT) -> int:
    """Copies files of one folder to another one under the same names; see :func:`copy_files`."""
    source, target, names, umask = job
    return copy_files(source, target, zip(names, names, strict=True), umask, progress)


def copy_files(
    source: str, target: str, names: Iterable[tuple[str, str]], umask: int, progress: Progress = SILENT
) -> int:
    """Copies files between two folders, with their permissions and times of last change.

    Args:
        source: the folder to copy from.
        target: the folder to copy to; files and links that are in the way there are replaced.
        names: each file's name in ``source`` (a link is refused) and in ``target``.
        umask: the process's umask.
        progress: is told how far large files are.

    Returns:
        the latest time of a change of content or permissions (``ctime``) of the originals, in ns.

    Raises:
        OSError: a file can't be read or written; ``filename`` is its full path.
    """
    # One loop over system calls, with few calls of ours in between: for small files this is most of the time.
    open_, close, fstat, utime, copy_range = os.open, os.close, os.fstat, os.utime, _copy_range
    newest, name = 0, ""
    folders: list[int] = []
    try:
        folders.append(open_(source, _FOLDER))
        folders.append(open_(target, _FOLDER))
        from_, to = folders
        for name, new_name in names:
            reader = open_(name, _READ, 0, dir_fd=from_)
            try:
                found = fstat(reader)
                mode, size, changed = found.st_mode & MODE_BITS, found.st_size, found.st_mtime_ns
                writer = _create(new_name, mode, to)
                try:
                    try:
                        if size > PIECE:
                            _copy_large(reader, writer, size, name, progress)
                            size = 0  # what has been written to it meanwhile is left
                        # One byte more is asked for than there should be: if it comes, the file has grown.
                        whole = copy_range(reader, writer, size + 1) == size > 0
                    except OSError as e:
                        if e.errno not in _CANNOT:
                            raise
                        whole, copy_range = False, _copy_in_memory
                    if not whole:
                        _copy_rest(reader, writer)
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
        e.filename = os.path.join(source, name) if name else source
        raise
    finally:
        for folder in folders:
            close(folder)
    return newest


def _create(name: str, mode: int, folder: int) -> int:
    try:
        return os.open(name, _CREATE, mode, dir_fd=folder)
    except FileExistsError:
        os.unlink(name, dir_fd=folder)
        return os.open(name, _CREATE, mode, dir_fd=folder)


def _copy_in_memory(reader: int, writer: int, size: int) -> int:
    """Copies up to ``size`` bytes through this process; returns how many."""
    content = memoryview(os.read(reader, min(size, CHUNK)))
    copied = len(content)
    while content:
        content = content[os.write(writer, content) :]
    return copied


#: The kernel copies, or the file system shares the blocks.
_copy_range = getattr(os, "copy_file_range", _copy_in_memory)  # not on macOS
#: What it says where it can't, such as between certain file systems.
_CANNOT = {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, errno.ETXTBSY}


def _copy_large(reader: int, writer: int, size: int, name: str, progress: Progress) -> None:
    done, copy_range = 0, _copy_range
    while True:
        progress.within(name, done, size)
        try:
            piece = copy_range(reader, writer, PIECE)
        except OSError as e:
            if e.errno not in _CANNOT or copy_range is _copy_in_memory:
                raise
            copy_range = _copy_in_memory
            continue
        if not piece:
            return
        done += piece


def _copy_rest(reader: int, writer: int) -> None:
    """Copies on to the file's end, wherever that is: some files hold more than their size says."""
    while _copy_in_memory(reader, writer, CHUNK):
        pass
