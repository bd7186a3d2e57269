"""Parts that log sources are made of: a growing file, and an answer that is only asked for now and then."""

from __future__ import annotations

import os
import time

from torchx.errors import TorchXError
from torchx.schedulers.logs import LogChunk, TransientLogError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class FileSource:
    """A log file that may still grow, may not exist yet, and may be truncated and begun anew.

    The file is held open only while there is something to read: an idle file costs one ``stat`` per look and no
    descriptor.

    Args:
        path: the file.
        finished: whether nothing will be written to it any more.
    """

    __slots__ = ("_fd", "_path", "finished")

    def __init__(self, path: str | os.PathLike[str], finished: Callable[[], bool]) -> None:
        self._path = os.fspath(path)
        self._fd: int | None = None
        self.finished = finished

    def read(self, position: object | None, limit: int) -> LogChunk:
        """As `LogSource.read`; positions are byte offsets.

        Raises:
            TransientLogError: the file system failed.
            TorchXError: the file may not be read.
        """
        offset = position if isinstance(position, int) else 0
        try:
            if self._fd is None:
                size = os.stat(self._path).st_size
                if size == offset:
                    return LogChunk(b"", offset)
                if size < offset:
                    offset = 0
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            data = os.pread(self._fd, limit, offset)
        except FileNotFoundError:
            return LogChunk(b"", offset)
        except (PermissionError, IsADirectoryError) as e:
            raise TorchXError(f"cannot read the log file {self._path}: {e.strerror}") from e
        except OSError as e:
            self.close()
            raise TransientLogError(f"cannot read the log file {self._path}: {e.strerror}") from e
        if not data:
            self.close()
        return LogChunk(data, offset + len(data))

    def close(self) -> None:
        """Give the descriptor back; a later read opens the file again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def polled(
    check: Callable[[], bool], *, every: float, clock: Callable[[], float] = time.monotonic
) -> Callable[[], bool]:
    """An answer that is expensive to find, asked for at most once in a while, and never again once it is yes.

    Made for `LogSource.finished` where the answer is a request to a server; sources may share one.

    Args:
        check: finds the answer.
        every: seconds for which a no is kept.
        clock: monotonic seconds.
    """
    answer = False
    ask_at = float("-inf")

    def last_known() -> bool:
        nonlocal answer, ask_at
        if not answer and clock() >= ask_at:
            answer = check()
            ask_at = clock() + every
        return answer

    return last_known
