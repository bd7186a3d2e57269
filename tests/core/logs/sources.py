"""Log sources and a clock that tests steer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchx.schedulers.logs import LogChunk, TransientLogError

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeTime:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


class MemorySource:
    """A log in memory, whose reads bring what `cuts` says, in turn; 0: nothing new now; -1: a failure that may pass."""

    def __init__(self, data: bytes = b"", *, cuts: list[int] | None = None, done: bool = True) -> None:
        self.data = bytearray(data)
        self.cuts = list(cuts or [])
        self.done = done
        self.reads = 0
        self.finished_calls = 0
        self.closed = 0

    def read(self, position: object | None, limit: int) -> LogChunk:
        self.reads += 1
        cut = self.cuts.pop(0) if self.cuts else limit
        if cut < 0:
            raise TransientLogError("connection lost")
        start = position if isinstance(position, int) else 0
        data = bytes(self.data[start : start + min(cut, limit)])
        return LogChunk(data, start + len(data))

    def finished(self) -> bool:
        self.finished_calls += 1
        # A scripted pause is not the end.
        return self.done and not self.cuts

    def close(self) -> None:
        self.closed += 1


class EndlessSource:
    """Always has more."""

    def read(self, position: object | None, limit: int) -> LogChunk:
        return LogChunk(b"x" * (limit - 1) + b"\n", None)

    def finished(self) -> bool:
        return False


class ScriptedSource:
    """Reads and answers as functions say."""

    def __init__(self, read: Callable[[object | None], LogChunk], finished: Callable[[], bool] = lambda: True) -> None:
        self._read = read
        self.finished = finished

    def read(self, position: object | None, limit: int) -> LogChunk:
        return self._read(position)
