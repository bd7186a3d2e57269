"""A network that breaks: hands bytes through, and cuts connections where a test says so."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 1 << 16


class CuttingProxy:
    """Listens on a port of its own.

    Args:
        target: ``host:port`` of the server behind it.

    Attributes:
        name: ``127.0.0.1:<port>``.
        cut_after: a connection is cut when the client has sent so many bytes over it; None: never.
        cuts_left: how many connections are still cut.
        cuts: how many were cut.
        sent: the bytes that clients have sent.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self._closed = threading.Event()
        self.name = f"127.0.0.1:{self._server.getsockname()[1]}"
        self.cut_after: int | None = None
        self.cuts_left = 0
        self.cuts = self.sent = 0
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        """Listens no more."""
        self._closed.set()
        self._thread.join()
        self._server.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                self._forward(client, server)
            for end in (server, client):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            back.join()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        sent = 0
        while piece := client.recv(_PIECE):
            if self.cut_after is not None and self.cuts_left and sent + len(piece) > self.cut_after:
                server.sendall(piece[: max(0, self.cut_after - sent)])
                self.cuts_left -= 1
                self.cuts += 1
                return
            server.sendall(piece)
            sent += len(piece)
            self.sent += len(piece)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def cutting_proxy(target: str) -> Iterator[CuttingProxy]:
    """Runs the proxy."""
    proxy = CuttingProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
