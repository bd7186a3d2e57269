"""Files and folders for their owner alone; a file is either the old version or the new one, whatever is killed."""

from __future__ import annotations

import os


def make_private(path: str) -> None:
    """Makes a folder, and those above it that are missing, all of them for their owner alone; it may exist already.

    Raises:
        OSError: it cannot be made.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    except FileNotFoundError:
        above = os.path.dirname(path)
        if above in ("", path):
            raise
        # Somebody else may make the same folders at the same time.
        if not os.path.isdir(above):
            make_private(above)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            if not os.path.isdir(path):
                raise


def write_atomic(path: str, data: bytes) -> None:
    """Replaces a file as a whole: write beside it, fsync, rename. Only the owner may read it.

    Raises:
        OSError: nothing was changed.
    """
    draft = f"{path}.{os.getpid()}.tmp"
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(draft, path)
    except OSError:
        unlink(draft)
        raise


def write_all(fd: int, data: bytes) -> None:
    """Writes all of it, in as many steps as it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def unlink(path: str) -> None:
    """Removes a file, which may be gone already."""
    try:  # noqa: SIM105  # the local supervisor starts in the time that importing contextlib takes
        os.unlink(path)
    except FileNotFoundError:
        pass
