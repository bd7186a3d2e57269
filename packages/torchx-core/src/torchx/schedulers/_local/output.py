"""Keeps what a replica writes: stdout, stderr, and both together, line by line, as they came.

The bytes of a stream go to its own file as they arrive; to the combined file go whole lines only, so that the two
streams never cut each other's lines. Beside them an index says how long each file was at what time.
"""

from __future__ import annotations

import os
import struct
import time

from torchx.schedulers._local.files import COMBINED_LOG, STDERR_LOG, STDOUT_LOG

TIMES_INDEX = "times.idx"

STREAMS = (STDOUT_LOG, STDERR_LOG)

# time in seconds since the epoch, then the lengths of stdout, stderr and combined in bytes
INDEX_RECORD = struct.Struct("<dQQQ")
INDEX_STEP = 0.01
"""Seconds between two records of the index: how exact ``since`` and ``until`` are."""

_READ_SIZE = 1 << 18
_LONGEST_LINE = 1 << 20
"""Bytes up to which a line that has no end yet is kept in memory; a longer one is copied from its stream's file."""


class _Region:
    """A part of a stream's file."""

    __slots__ = ("begin", "end", "stream")

    def __init__(self, stream: str, begin: int, end: int) -> None:
        self.stream = stream
        self.begin = begin
        self.end = end

    def __len__(self) -> int:
        return self.end - self.begin


class _Partial:
    """The last line of a stream, as long as it has no end.

    Args:
        stream: the stream.
        begin, end: where it is in the stream's file.
    """

    __slots__ = ("_bytes", "_region")

    def __init__(self, stream: str, begin: int = 0, end: int = 0) -> None:
        self._region = _Region(stream, begin, end)
        self._bytes: bytes | None = None if end > begin else b""

    def __len__(self) -> int:
        return len(self._region)

    def add(self, data: bytes) -> None:
        self._region.end += len(data)
        if self._bytes is not None:
            self._bytes = self._bytes + data if len(self) <= _LONGEST_LINE else None

    def take(self, data: bytes = b"") -> bytes | _Region:
        """The line together with what ends it, and what follows that; afterwards there is none."""
        region = self._region
        region.end += len(data)
        whole = region if self._bytes is None else self._bytes + data
        self._region, self._bytes = _Region(region.stream, region.end, region.end), b""
        return whole


class Output:
    """The log files of one replica. They exist from the start and are open from the first byte on.

    Args:
        folder: where they are; it exists.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: dict[str, int] = {}
        self._lengths = dict.fromkeys((STDOUT_LOG, STDERR_LOG, COMBINED_LOG), 0)
        self._partial = {stream: _Partial(stream) for stream in STREAMS}
        self._pending: list[tuple[str, bytes | _Region]] = []
        self._indexed = 0.0
        for name in self._lengths:
            os.close(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def write(self, stream: str, data: bytes) -> None:
        """Appends bytes that came on a stream (a name of ``STREAMS``).

        Raises:
            OSError: the disk is full, say. What could not be written is kept; ``drain`` tries again.
        """
        now = time.time()
        if now - self._indexed >= INDEX_STEP:
            self._pending.append((TIMES_INDEX, INDEX_RECORD.pack(now, *self._lengths.values())))
            self._indexed = now
        self._pending.append((stream, data))
        end = data.rfind(b"\n") + 1
        if end:
            self._pending.append((COMBINED_LOG, self._partial[stream].take(data[:end])))
        if end < len(data):
            self._partial[stream].add(data[end:])
        self.drain()

    def unended(self) -> list[str]:
        """The streams whose last line has no end yet."""
        return [stream for stream, rest in self._partial.items() if rest]

    def drain(self) -> None:
        """Writes what is pending.

        Raises:
            OSError: as ``write``.
        """
        while self._pending:
            name, data = self._pending[0]
            fd = self._files.get(name)
            if fd is None:
                fd = self._open(name)
            done = os.write(fd, self._read(data) if isinstance(data, _Region) else data)
            if name in self._lengths:
                self._lengths[name] += done
            if done == len(data):
                self._pending.pop(0)
            elif isinstance(data, _Region):
                data.begin += done
            else:
                self._pending[0] = (name, data[done:])

    def close(self) -> None:
        """Moves lines that will get no end any more into the combined file, one below the other, and closes the files.

        Raises:
            OSError: as ``write``; the files are closed all the same.
        """
        for number, stream in enumerate(self.unended()):
            if number:
                self._pending.append((COMBINED_LOG, b"\n"))
            self._pending.append((COMBINED_LOG, self._partial[stream].take()))
        try:
            self.drain()
        finally:
            for fd in self._files.values():
                os.close(fd)
            self._files = {}

    def restore_partial(self) -> None:
        """Takes over from a process that was killed: the unfinished last lines are those of the streams' own files."""
        for name in self._lengths:
            self._lengths[name] = os.stat(f"{self._folder}/{name}").st_size
        for stream in STREAMS:
            begin = _last_line_start(f"{self._folder}/{stream}", self._lengths[stream])
            self._partial[stream] = _Partial(stream, begin, self._lengths[stream])

    def _read(self, region: _Region) -> bytes:
        """The next bytes of what is to be copied."""
        with open(f"{self._folder}/{region.stream}", "rb") as file:
            return os.pread(file.fileno(), min(len(region), _READ_SIZE), region.begin)

    def _open(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = self._files[name] = os.open(f"{self._folder}/{name}", flags, 0o600)
        if name in self._lengths:
            self._lengths[name] = os.fstat(fd).st_size
        return fd


def read_available(fd: int) -> bytes:
    """What a non-blocking pipe holds now, up to a limit; empty where it holds nothing."""
    try:
        return os.read(fd, _READ_SIZE)
    except BlockingIOError:
        return b""


def _last_line_start(path: str, size: int) -> int:
    """Where the last line of a file begins, which is the file's end where that line has an end itself."""
    end = size
    with open(path, "rb") as file:
        while end > 0:
            begin = max(0, end - _READ_SIZE)
            cut = os.pread(file.fileno(), end - begin, begin).rfind(b"\n")
            if cut >= 0:
                return begin + cut + 1
            end = begin
    return 0
