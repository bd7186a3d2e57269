"""The log engine: whatever a backend can read becomes whole lines, each once, in order, from any number of replicas.

A backend writes a `LogSource`: read from a position, tell the next position, tell whether more will come. Everything
that is easily got wrong is here, once: partial lines, reconnects, when a stream has ended, fairness, idle pauses.
"""

from __future__ import annotations

import time
from heapq import heapify, heappop, heappush
from itertools import count

from torchx.errors import TorchXError
from torchx.schedulers.lines import (
    InvalidRegexError,
    LineAssembler,
    compile_regex,
    decode_lines,
    filter_block,
    filter_regex,
    split_lines,
    split_lines_iterator,
)
from torchx.util.light_dataclass import dataclass
from torchx.util.light_generic import Generic, TypeVar
from torchx.util.retry import Backoff

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Generator, Iterator, Mapping
    from typing import Protocol
else:
    Protocol = object  # The same to a program, without importing typing.

__all__ = [
    "InvalidRegexError",
    "LineAssembler",
    "LogChunk",
    "LogSource",
    "TransientLogError",
    "compile_regex",
    "decode_lines",
    "filter_block",
    "filter_regex",
    "follow",
    "iter_lines",
    "split_lines",
    "split_lines_iterator",
]

K = TypeVar("K")

READ_LIMIT = 256 * 1024
"""Bytes asked of a source at a time: also the most that one source gets before the others have their turn."""

MIN_IDLE = 1 / 1024
"""Seconds until a source that had nothing new is asked again for the first time."""

MAX_IDLE = 1 / 4
"""Seconds that the pause between two reads of an idle source grows to."""

GIVE_UP_AFTER = 300.0
"""Seconds for which a source may fail without one success before it is given up."""


class TransientLogError(TorchXError):
    """A read failed in a way that may pass (connection lost, time-out, 5xx): the engine tries again."""


@dataclass(frozen=True)
class LogChunk:
    """What one read brought.

    Attributes:
        data: bytes, cut anywhere; empty: nothing new now.
        position: where the next read goes on; its meaning is the source's own (an offset, a token, a timestamp).
    """

    data: bytes
    position: object


class LogSource(Protocol):
    """One replica's log as a backend sees it.

    A source may also have a method ``close()``; the engine calls it once, when it needs the source no longer.
    """

    def read(self, position: object | None, limit: int) -> LogChunk:
        """What is there after a position. It should return soon: the other sources wait meanwhile.

        Args:
            position: of the chunk before; None: from the start (from ``since``, where the source was made with one).
            limit: about how many bytes to return at most.

        Raises:
            TransientLogError: try again from the same position, later.
        """

    def finished(self) -> bool:
        """Whether nothing will be written any more: the replica is in a terminal state.

        Asked only after a read came back empty, up to a few times per second; an answer that is expensive to find is
        to be kept by the source for a while (see `polled`). What was written before the answer is still read.

        Raises:
            TransientLogError: not known now.
        """


class _Reader(Generic[K]):
    """Where one source stands."""

    __slots__ = ("backoff", "ending", "idle", "key", "lines", "position", "source")

    def __init__(self, key: K, source: LogSource, *, ending: bool, clock: Callable[[], float]) -> None:
        self.key = key
        self.source = source
        self.ending = ending  # the next empty read is the end
        self.position: object | None = None
        self.idle = 0.0
        self.lines = LineAssembler()
        self.backoff = Backoff(total_timeout=GIVE_UP_AFTER, clock=clock)

    def step(self, now: float, max_idle: float) -> tuple[bytes, float | None]:
        """Read once.

        Returns:
            the lines that are whole now, and when to read again; None: never, the log has ended.
        """
        chunk = self.source.read(self.position, READ_LIMIT)
        self.position = chunk.position
        if chunk.data:
            self.idle = 0.0
            self.backoff.reset()
            return self.lines.feed(chunk.data), now
        if self.ending:
            return self.lines.flush(), None
        self.ending = self.source.finished()
        self.backoff.reset()
        return b"", now if self.ending else self._next_look(now, max_idle)

    def _next_look(self, now: float, max_idle: float) -> float:
        # The pauses double, and end on a grid of their own length, so that one wake-up serves all idle sources.
        self.idle = min(self.idle * 2 or MIN_IDLE, max_idle)
        return (now // self.idle + 1) * self.idle

    def close(self) -> None:
        close = getattr(self.source, "close", None)
        if close is not None:
            close()


_Queue = list[tuple[float, int, _Reader[K]]]


def follow(
    sources: Mapping[K, LogSource],
    *,
    should_tail: bool,
    wait: Callable[[float], object] = time.sleep,
    max_idle: float = MAX_IDLE,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[tuple[K, bytes], None, None]:
    """The lines of many sources, in one loop, without threads.

    Sources that have something are read in turns of about `READ_LIMIT` bytes. Sources that have nothing are asked
    again after pauses that grow up to `max_idle`. A source that keeps failing is given up with a warning after five
    minutes, and its error is raised when all others have ended.

    Args:
        sources: by any key, for example ``(role, replica)``.
        should_tail: go on until each source is finished and drained; else end at what is there now.
        wait: waits for the given seconds, or less: returning early means that something may have been written, and
            all idle sources are read at once.
        max_idle: the longest pause of an idle source, in seconds. May be long where `wait` returns at each write.
        clock: monotonic seconds.

    Yields:
        the source's key, and a block of whole lines; each ends in ``\\n``, but for the last one of a source whose log
        ends without it.

    Raises:
        TransientLogError: a source failed for too long.
    """
    turn = count()
    readers = [_Reader(key, source, ending=not should_tail, clock=clock) for key, source in sources.items()]
    queue: _Queue[K] = [(0.0, next(turn), reader) for reader in readers]
    still_open = set(readers)
    failures: list[TransientLogError] = []
    try:
        while queue:
            now = _wait_for_due(queue, wait, clock)
            reader = heappop(queue)[2]
            try:
                block, due = reader.step(now, max_idle)
            except TransientLogError as e:
                block, due = _after_failure(reader, e, now)
                if due is None:
                    failures.append(e)
            if due is None:
                still_open.remove(reader)
                reader.close()
            else:
                heappush(queue, (due, next(turn), reader))
            if block:
                yield reader.key, block
    finally:
        for reader in still_open:
            reader.close()
    if failures:
        raise failures[0]


def iter_lines(
    source: LogSource,
    *,
    regex: str | re.Pattern[str] | None = None,
    should_tail: bool = False,
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[str]:
    """The lines of one source as text.

    Args:
        source: the replica's log.
        regex: only lines that it is found in.
        should_tail: go on until the source is finished and drained; else end at what is there now.
        wait: as for `follow`.

    Yields:
        each line with its ``\\n``, which the last may lack; bytes that are not UTF-8 become U+FFFD.

    Raises:
        InvalidRegexError: the regular expression is malformed; raised by the call, before the first read.
        TransientLogError: the source failed for too long.
    """
    pattern = None if regex is None else compile_regex(regex)
    return _iter_lines(source, pattern, should_tail, wait)


def _iter_lines(
    source: LogSource, pattern: re.Pattern[str] | None, should_tail: bool, wait: Callable[[float], object]
) -> Iterator[str]:
    for _, block in follow({None: source}, should_tail=should_tail, wait=wait):
        yield from decode_lines(block if pattern is None else filter_block(block, pattern))


def _wait_for_due(queue: _Queue[K], wait: Callable[[float], object], clock: Callable[[], float]) -> float:
    """Wait until the first of the queue is due; the time when it is."""
    now = clock()
    while (due := queue[0][0]) > now:
        wait(due - now)
        now = clock()
        if now < due:
            # Woken early: something may have been written anywhere. Sources that fail keep their pause.
            queue[:] = [(d if r.backoff.failures else min(d, now), n, r) for d, n, r in queue]
            heapify(queue)
    return now


def _after_failure(reader: _Reader[K], error: TransientLogError, now: float) -> tuple[bytes, float | None]:
    """As `_Reader.step`: the same position later, or the end where that has been tried for too long."""
    delay = reader.backoff.next_delay()
    if delay is not None:
        return b"", now + delay
    import logging

    from torchx.util.masking import mask_text

    text = mask_text(str(error))
    logging.getLogger(__name__).warning("the log of %s is given up after %d s: %s", reader.key, GIVE_UP_AFTER, text)
    return reader.lines.flush(), None
