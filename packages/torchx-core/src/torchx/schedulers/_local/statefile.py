"""Files that are either the old version or the new one, whatever is killed and when, also on a full disk."""

from __future__ import annotations

import errno
import os

from torchx.util.private_files import unlink, write_all

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class StateWriter:
    """Replaces one file again and again, with the room for the next version taken in advance.

    A disk that fills up while a job runs must not keep the job's end from being recorded.

    Args:
        path: the file.
        reserve: bytes to keep in hand; a longer version needs free space.
    """

    def __init__(self, path: str, reserve: int) -> None:
        self._path = path
        self._spare_path = path + ".spare"
        self._reserve = reserve
        self._spare = self._take_spare()

    def write(self, data: bytes) -> None:
        """Replaces the file.

        Raises:
            OSError: nothing was changed; with a full disk, only when the reserve is used up too.
        """
        fd = self._spare if self._spare is not None else self._open()
        try:
            os.lseek(fd, 0, os.SEEK_SET)
            write_all(fd, data)
            os.ftruncate(fd, len(data))
            os.fsync(fd)
            os.rename(self._spare_path, self._path)
        except OSError:
            self._spare = fd
            raise
        os.close(fd)
        self._spare = self._take_spare()

    def close(self) -> None:
        """Gives the reserve back."""
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        unlink(self._spare_path)

    def _open(self) -> int:
        return os.open(self._spare_path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _take_spare(self) -> int | None:
        """Opens a file whose blocks are allocated, or None where there is no space for one now."""
        fd = None
        try:
            fd = self._open()
            allocate(fd, self._reserve)
        except OSError as error:
            if fd is not None:
                os.close(fd)
                unlink(self._spare_path)
            if error.errno not in _NO_SPACE:
                raise
            return None
        return fd


def allocate(fd: int, size: int) -> None:
    """Makes sure that ``size`` bytes can be written to a file.

    Raises:
        OSError: there is no space.
    """
    # macOS has no posix_fallocate: there the bytes are written.
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(fd, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    write_all(fd, b"\0" * size)
