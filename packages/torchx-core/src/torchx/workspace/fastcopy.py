"""The inner loop of copying files.

The file is also a program, which does the jobs that another process gives it (see :func:`serve`). It starts without
``site`` and imports almost nothing, so that it is at work within some milliseconds.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from torchx.workspace.progress import Progress

    #: Folder to copy from, folder to copy to, names of the files, the process's umask.
    Job = tuple[str, str, list[str], int]
    #: What tells a file from all others, and from itself at another time: its inode's number, and the time of its last
    #: change of any kind (``ctime``), in ns. Programs can't set the latter.
    Mark = tuple[int, int]

#: Permissions of files and folders that are kept. Set-user-id and its like would take effect for whoever copies.
MODE_BITS = 0o777
#: Bytes that are copied at a time where the file system can't copy by itself.
CHUNK = 1 << 20
#: Up to so many bytes, two system calls that read and write take half as long as the one that lets the kernel copy.
SMALL = 64 << 10
#: Larger files are copied in pieces of this many bytes, and progress is told of each.
PIECE = 16 << 20

_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def copy_job(job: Job, progress: Progress | None = None) -> list[Mark]:
    """Copies files of one folder to another one under the same names; see :func:`copy_files`."""
    source, target, names, umask = job
    return copy_files(source, target, zip(names, names, strict=True), umask, progress)


def copy_files(
    source: str, target: str, names: Iterable[tuple[str, str]], umask: int, progress: Progress | None = None
) -> list[Mark]:
    """Copies files between two folders, with their permissions and times of last change.

    Args:
        source: the folder to copy from.
        target: the folder to copy to; files and links that are in the way there are replaced.
        names: each file's name in ``source`` (a link is refused) and in ``target``.
        umask: the process's umask.
        progress: is told how far large files are.

    Returns:
        the marks of the originals, as they were when they were read.

    Raises:
        OSError: a file can't be read or written; ``filename`` is its full path.
    """
    # One loop over system calls, with few calls of ours in between: for small files this is most of the time.
    open_, close, fstat, utime, read = os.open, os.close, os.fstat, os.utime, os.read
    marks: list[Mark] = []
    name = ""
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
                try:
                    writer = open_(new_name, _CREATE, mode, dir_fd=to)
                except FileExistsError:
                    os.unlink(new_name, dir_fd=to)
                    writer = open_(new_name, _CREATE, mode, dir_fd=to)
                try:
                    # One byte more is asked for than there should be: if it comes, the file has grown.
                    if size > SMALL or not size or _write(writer, read(reader, size + 1)) != size:
                        _copy_rest(reader, writer, size, name, progress)
                    if mode & umask:
                        os.fchmod(writer, mode)
                    utime(writer, ns=(changed, changed))
                finally:
                    close(writer)
            finally:
                close(reader)
            marks.append((found.st_ino, found.st_ctime_ns))
    except OSError as e:
        e.filename = os.path.join(source, name) if name else source
        raise
    finally:
        for folder in folders:
            close(folder)
    return marks


def _write(writer: int, content: bytes) -> int:
    """Writes all of ``content``; returns its size."""
    written = os.write(writer, content)
    while written < len(content):
        written += os.write(writer, memoryview(content)[written:])
    return written


def _copy_in_memory(reader: int, writer: int, size: int) -> int:
    """Copies up to ``size`` bytes through this process; returns how many."""
    return _write(writer, os.read(reader, min(size, CHUNK)))


#: The kernel copies, or the file system shares the blocks.
_copy_range = getattr(os, "copy_file_range", _copy_in_memory)  # not on macOS
#: What it says where it can't, such as between certain file systems.
_CANNOT = {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, errno.ETXTBSY}


def _copy_rest(reader: int, writer: int, size: int, name: str, progress: Progress | None) -> None:
    """Copies on to the file's end, wherever that is: some files hold more than their size says."""
    done, copy_range = 0, _copy_range if size > SMALL else _copy_in_memory
    while True:
        if progress and size > PIECE:
            progress.within(name, done, size)
        try:
            piece = copy_range(reader, writer, PIECE)
        except OSError as e:
            if e.errno not in _CANNOT or copy_range is _copy_in_memory:
                raise
            piece = -1
        if piece <= 0 and copy_range is _copy_in_memory:
            return
        if piece <= 0:  # the kernel can't go on: only reading tells the end of files whose size says nothing
            copy_range = _copy_in_memory
            continue
        done += piece


def serve(commands: BinaryIO, answers: BinaryIO) -> None:
    """Does the jobs that come in, until there are no more.

    Args:
        commands: a :data:`Job` after the other, as ``marshal`` writes them.
        answers: gets for each what :func:`copy_job` returns, or the number, text and file of its error.
    """
    import marshal

    while True:
        try:
            job = marshal.load(commands)
        except EOFError:
            return
        answer: list[Mark] | tuple[int | None, str | None, str]
        try:
            answer = copy_job(job)
        except OSError as e:
            answer = (e.errno, e.strerror, e.filename)
        marshal.dump(answer, answers)


if __name__ == "__main__":
    serve(os.fdopen(0, "rb"), os.fdopen(1, "wb", buffering=0))
