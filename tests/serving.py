"""Servers in a thread of the test's own process."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import socketserver
    from collections.abc import Iterator

__all__ = ["QuietHandler", "serving"]

ServerT = TypeVar("ServerT", bound="socketserver.BaseServer")


@contextlib.contextmanager
def serving(server: ServerT) -> Iterator[ServerT]:
    """Serves in a thread for as long as the context lasts, and closes the server."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class QuietHandler(BaseHTTPRequestHandler):
    """Logs nothing; serves Unix sockets too, whose clients have no address."""

    def address_string(self) -> str:
        return str(self.client_address)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""
