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
"""Bytes after which a line that does not end goes to the combined file in parts."""


class Output:
    """The log files of one replica. They exist from the start and are open from the first byte on.

    Args:
        folder: where they are; it exists.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: dict[str, int] = {}
        self._lengths = dict.fromkeys((STDOUT_LOG, STDERR_LOG, COMBINED_LOG), 0)
        self._partial = dict.fromkeys(STREAMS, b"")
        self._pending: list[tuple[str, bytes]] = []
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
        partial = self._partial[stream]
        end = data.rfind(b"\n") + 1
        if end or len(partial) > _LONGEST_LINE:
            end = end or len(data)
            self._pending.append((COMBINED_LOG, partial + data[:end] if partial else data[:end]))
            self._partial[stream] = data[end:]
        else:
            self._partial[stream] = partial + data
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
            done = os.write(fd, data)
            if name in self._lengths:
                self._lengths[name] += done
            if done == len(data):
                self._pending.pop(0)
            else:
                self._pending[0] = (name, data[done:])

    def close(self) -> None:
        """Moves lines that will get no end any more into the combined file, one below the other, and closes the files.

        Raises:
            OSError: as ``write``; the files are closed all the same.
        """
        rests = [rest for rest in self._partial.values() if rest]
        self._partial = dict.fromkeys(self._partial, b"")
        if rests:
            self._pending.append((COMBINED_LOG, b"\n".join(rests)))
        try:
            self.drain()
        finally:
            for fd in self._files.values():
                os.close(fd)
            self._files = {}

    def restore_partial(self) -> None:
        """Takes over from a process that was killed: the unfinished last lines are those of the streams' own files."""
        for name in self._lengths:
            self._lengths[name] = os.stat(os.path.join(self._folder, name)).st_size
        for stream in STREAMS:
            self._partial[stream] = _last_partial_line(os.path.join(self._folder, stream))

    def _open(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = self._files[name] = os.open(os.path.join(self._folder, name), flags, 0o600)
        if name in self._lengths:
            self._lengths[name] = os.fstat(fd).st_size
        return fd


def read_available(fd: int) -> bytes:
    """What a non-blocking pipe holds now, up to a limit; empty where it holds nothing."""
    try:
        return os.read(fd, _READ_SIZE)
    except BlockingIOError:
        return b""


def _last_partial_line(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _READ_SIZE))
            return file.read().rpartition(b"\n")[2]
    except FileNotFoundError:
        return b""
