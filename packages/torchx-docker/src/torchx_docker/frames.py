"""The bytes of a log stream of the engine, which come in pieces cut anywhere, as records.

A stream is HTTP chunks (RFC 9112, section 7.1), which hold frames: a stream's number, three zeros, the length in four
bytes, and one record, a line or a part of a long one, behind its time.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

from __future__ import annotations

import calendar
import re
import time

FRAME_HEADER = 8
NANOSECONDS = 1_000_000_000

STDIN, STDOUT, STDERR = 0, 1, 2
"""Numbers of streams; STDIN is never sent."""

LONGEST_PIECE = 16 * 1024
"""Bytes in which the engine keeps a longer line: https://github.com/moby/moby/blob/v20.10.24/daemon/logger/copier.go"""

STAMP = 31
"""Bytes of a time and the space behind it."""

_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")

Record = tuple[int, int, bytes]
"""Stream, time in nanoseconds since the epoch, data."""


class ChunkDecoder:
    """HTTP's chunked transfer coding, undone bit by bit.

    Attributes:
        ended: the last chunk has come; without it, a closed connection is a broken one.
    """

    def __init__(self) -> None:
        self.ended = False
        self._buffer = b""
        self._left = 0  # bytes of the current chunk
        self._line_end = False  # the chunk's own line end is still to come

    def feed(self, data: bytes) -> bytes:
        """The payload that is complete with the next bytes.

        Raises:
            ValueError: they are no chunks.
        """
        buffer = self._buffer + data
        size, at = len(buffer), 0
        payload = []
        while not self.ended:
            if self._left:
                end = min(at + self._left, size)
                payload.append(buffer[at:end])
                self._left -= end - at
                at = end
                if self._left:
                    break
                self._line_end = True
            end = buffer.find(b"\r\n", at)
            if end < 0:
                break
            if self._line_end:
                if end != at:
                    raise ValueError("a chunk does not end where it should")
                self._line_end = False
            else:
                self._left = int(buffer[at:end].split(b";")[0], 16)
                self.ended = self._left == 0
            at = end + 2
        self._buffer = buffer[at:]
        return b"".join(payload)


class FrameDecoder:
    """Frames with times, undone bit by bit."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Record]:
        """The records that are complete with the next bytes.

        Raises:
            ValueError: they are no frames of a log that was asked for with times.
        """
        buffer = self._buffer + data
        size, at = len(buffer), 0
        records = []
        while at + FRAME_HEADER <= size:
            begin = at + FRAME_HEADER
            end = begin + int.from_bytes(buffer[at + 4 : begin], "big")
            if end > size:
                break
            stream, space = buffer[at], buffer.find(b" ", begin, end)
            if space < 0 or stream not in (STDOUT, STDERR):
                raise ValueError("the engine's log stream can't be read")
            records.append((stream, parse_time(buffer[begin:space]), buffer[space + 1 : end]))
            at = end
        self._buffer = buffer[at:]
        return records


class TerminalDecoder:
    """The log of a container with a terminal: no frames, each line behind its time, line ends as terminals have them.

    Nothing parts the pieces in which the engine keeps a long line but the time in front of each.
    """

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Record]:
        """The records that are complete with the next bytes.

        Raises:
            ValueError: they are no log that was asked for with times.
        """
        buffer, at = self._buffer + data, 0
        records = []
        while (end := self._end_of_record(buffer, at)) >= 0:
            records.append(_terminal_record(buffer[at:end]))
            at = end
        self._buffer = buffer[at:]
        return records

    def rest(self) -> list[Record]:
        """A last line without an end, when nothing will come any more."""
        last, self._buffer = self._buffer, b""
        return [_terminal_record(last)] if last else []

    @staticmethod
    def _end_of_record(buffer: bytes, at: int) -> int:
        """Where the record that begins at ``at`` ends; -1 where that has not come yet."""
        space = buffer.find(b" ", at)
        if space < 0:
            return -1
        limit = space + 1 + LONGEST_PIECE
        end = buffer.find(b"\n", space, limit) + 1
        if end:
            return end
        if len(buffer) < limit + STAMP:
            return -1
        return limit if _STAMP.match(buffer, limit) else buffer.find(b"\n", limit) + 1 or -1


def _terminal_record(record: bytes) -> Record:
    stamp, _, line = record.partition(b" ")
    return STDOUT, parse_time(stamp), line[:-2] + b"\n" if line.endswith(b"\r\n") else line


class LogDecoder:
    """A log in either form, which its first byte tells: a stream's number, or the first digit of a year."""

    def __init__(self) -> None:
        self._decoder: FrameDecoder | TerminalDecoder | None = None

    def feed(self, data: bytes) -> list[Record]:
        """The records that are complete with the next bytes.

        Raises:
            ValueError: they are no log that was asked for with times.
        """
        if self._decoder is None:
            if not data:
                return []
            self._decoder = TerminalDecoder() if data[:1].isdigit() else FrameDecoder()
        return self._decoder.feed(data)

    def rest(self) -> list[Record]:
        """What has no end, when nothing will come any more."""
        return self._decoder.rest() if isinstance(self._decoder, TerminalDecoder) else []


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
