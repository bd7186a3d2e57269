"""The bytes of a log stream of the engine, which come in pieces cut anywhere, as records.

A stream is HTTP chunks (RFC 9112, section 7.1), which hold frames: a stream's number, three zeros, the length in four
bytes, and one record, a line or a part of a long one, behind its time.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

from __future__ import annotations

import calendar
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME_HEADER = 8
NANOSECONDS = 1_000_000_000

STDIN, STDOUT, STDERR = 0, 1, 2
"""Numbers of streams; STDIN is never sent."""

Record = tuple[int, int, bytes]
"""Stream, time in nanoseconds since the epoch, data."""


class ChunkDecoder:
    """HTTP's chunked transfer coding, undone bit by bit.

    Attributes:
        ended: the last chunk has come; without it, a closed connection is a broken one.
    """

    def __init__(self) -> None:
        self.ended = False
        self._buffer = bytearray()
        self._left = 0  # bytes of the current chunk
        self._line_end = False  # the chunk's own line end is still to come

    def feed(self, data: bytes) -> bytes:
        """The payload that is complete with the next bytes.

        Raises:
            ValueError: they are no chunks.
        """
        self._buffer += data
        payload = bytearray()
        while not self.ended:
            if self._left:
                taken = self._buffer[: self._left]
                del self._buffer[: len(taken)]
                self._left -= len(taken)
                payload += taken
                if self._left:
                    break
                self._line_end = True
            end = self._buffer.find(b"\r\n")
            if end < 0:
                break
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            if self._line_end:
                if line:
                    raise ValueError("a chunk does not end where it should")
                self._line_end = False
            else:
                self._left = int(line.split(b";")[0], 16)
                self.ended = self._left == 0
        return bytes(payload)


class FrameDecoder:
    """Frames with times, undone bit by bit."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Record]:
        """The records that are complete with the next bytes.

        Raises:
            ValueError: they are no frames of a log that was asked for with times.
        """
        self._buffer += data
        at = 0
        try:
            while at + FRAME_HEADER <= len(self._buffer):
                end = at + FRAME_HEADER + int.from_bytes(self._buffer[at + 4 : at + FRAME_HEADER], "big")
                if end > len(self._buffer):
                    break
                stamp, space, line = bytes(self._buffer[at + FRAME_HEADER : end]).partition(b" ")
                if not space or self._buffer[at] not in (STDOUT, STDERR):
                    raise ValueError("the engine's log stream can't be read")
                yield self._buffer[at], parse_time(stamp), line
                at = end
        finally:
            del self._buffer[:at]


_seconds: dict[bytes, int] = {}


def parse_time(stamp: bytes) -> int:
    """Nanoseconds since the epoch of the engine's times, which are UTC.

    >>> parse_time(b"1970-01-01T00:00:01.5Z")
    1500000000

    Raises:
        ValueError: it is none.
    """
    whole, _, fraction = stamp.rstrip(b"Z").partition(b".")
    seconds = _seconds.get(whole)
    if seconds is None:
        seconds = calendar.timegm(time.strptime(whole.decode("ascii"), "%Y-%m-%dT%H:%M:%S"))
        _seconds.clear()  # neighbours in a log mostly have the same second
        _seconds[whole] = seconds
    return seconds * NANOSECONDS + (int(fraction.ljust(9, b"0")) if fraction else 0)


def format_time(nanoseconds: int) -> str:
    """A time as the engine's ``since`` and ``until`` take it.

    >>> format_time(1_500_000_000)
    '1.500000000'
    """
    return f"{nanoseconds // NANOSECONDS}.{nanoseconds % NANOSECONDS:09}"
