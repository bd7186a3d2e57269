"""An open log stream of the engine, read without blocking, so that one thread follows any number of them."""

from __future__ import annotations

import select
import ssl
import time
from typing import TYPE_CHECKING

from torchx_docker.frames import ChunkDecoder, LogDecoder

if TYPE_CHECKING:
    import socket
    from typing import Any

    from torchx_docker.frames import Record

_NOTHING_YET = (BlockingIOError, InterruptedError, ssl.SSLWantReadError)


class LogStream:
    """What one answer to ``GET /containers/<id>/logs`` brings.

    Args:
        response: the SDK's answer, of which only the head has been read.
        timeout: seconds that a read may wait where it waits at all.
    """

    def __init__(self, response: Any, timeout: float) -> None:
        self._response = response
        self._timeout = timeout
        self._log = LogDecoder()
        self._chunks = ChunkDecoder()
        self._first = b""
        self._socket = _socket_of(response)
        if self._socket is not None:
            self._socket.setblocking(False)
            self._first = _already_read(response)

    @property
    def selectable(self) -> bool:
        """Whether it can be read without waiting."""
        return self._socket is not None

    def fileno(self) -> int:
        """The connection, for ``select``; -1 where there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    def has_more(self) -> bool:
        """Whether bytes are here already that ``select`` does not tell of."""
        pending = getattr(self._socket, "pending", None)
        return bool(self._first) or bool(pending and pending())

    def read(self, limit: int, *, wait: bool) -> tuple[list[Record], bool]:
        """The next records.

        Args:
            limit: about how many bytes.
            wait: until there is something; else none are given where none are there.

        Returns:
            the records, and whether the engine has ended the stream.

        Raises:
            ConnectionError: the connection was lost.
            TimeoutError: nothing has come for too long.
            ValueError: what came is no log.
        """
        if self._socket is None:
            data: bytes = self._response.raw.read(limit)
            return (self._log.feed(data), False) if data else (self._log.rest(), True)
        data = self._first or self._receive(limit, wait)
        self._first = b""
        if not data:
            return [], False
        records = self._log.feed(self._chunks.feed(data))
        return records + (self._log.rest() if self._chunks.ended else []), self._chunks.ended

    def close(self) -> None:
        """Closes the connection."""
        self._response.close()
        if self._socket is not None:
            self._socket.close()

    def _receive(self, limit: int, wait: bool) -> bytes:
        assert self._socket is not None
        end = time.monotonic() + self._timeout
        while True:
            try:
                data = self._socket.recv(limit)
            except _NOTHING_YET:
                if not wait:
                    return b""
                if time.monotonic() > end:
                    raise TimeoutError(f"the engine has sent nothing for {self._timeout:g} s") from None
                select.select([self._socket], [], [], self._timeout)
                continue
            if not data:
                raise ConnectionResetError("the engine closed the connection before the log's end")
            return data


def _socket_of(response: Any) -> socket.socket | None:
    """The connection below an answer in chunks; None where it is something else (SSH, a Windows pipe)."""
    try:
        found: socket.socket = response.raw._fp.fp.raw._sock
        return found if response.raw._fp.chunked and found.fileno() >= 0 else None
    except (AttributeError, OSError):
        return None


def _already_read(response: Any) -> bytes:
    """What came along with the answer's head."""
    try:
        buffered: bytes = response.raw._fp.fp.peek(1)
    except _NOTHING_YET:
        return b""
    return bytes(buffered)
