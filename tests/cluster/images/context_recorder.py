"""A daemon that builds nothing: it notes what a Docker client sends it, so that one sees what the client filters.

The classic builder's context is a tar archive in the body of ``POST /build``, already filtered by ``.dockerignore``.
"""

from __future__ import annotations

import io
import socketserver
import sys
import tarfile
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, urlsplit

from tests.serving import QuietHandler, serving

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path


class ContextRecorder(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The daemon; see :func:`context_recorder`.

    Args:
        socket: path of the socket to listen on; under 100 characters.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, socket: Path) -> None:
        super().__init__(str(socket), _Handler)
        self.host = f"unix://{socket}"
        self._contexts: dict[str, set[str]] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that refuses an ignore file leaves without waiting for answers; all else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as the server calls it

    def record(self, tag: str, names: set[str]) -> None:
        """Notes the names in the context that was sent for a tag."""
        self._contexts[tag] = names

    def take(self, tag: str) -> set[str]:
        """The names in the context that was sent for a tag, a folder's with a slash at the end; forgets them.

        Raises:
            KeyError: none was.
        """
        return self._contexts.pop(tag)


def context_recorder(socket: Path) -> AbstractContextManager[ContextRecorder]:
    """Runs the daemon in a thread."""
    return serving(ContextRecorder(socket))


class _Handler(QuietHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_HEAD(self) -> None:
        self._answer(b"")  # clients ask for `/_ping` first

    def do_GET(self) -> None:
        self._answer(b"OK")

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        if not url.path.endswith("/build"):
            self.send_error(404)
            return
        # A client that was given a Dockerfile from outside the context ends the archive without the usual zeros.
        body = io.BytesIO(self._chunks() + bytes(tarfile.RECORDSIZE))
        with tarfile.open(fileobj=body, encoding="utf-8", errors="surrogateescape") as context:
            names = {member.name + "/" * member.isdir() for member in context}
        cast("ContextRecorder", self.server).record(parse_qs(url.query)["t"][0], names)
        self._answer(b'{"stream":"recorded\\n"}\r\n')

    def _chunks(self) -> bytes:
        """The body, which comes in chunks."""
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        for name, value in (
            ("Api-Version", "1.41"),
            ("Builder-Version", "1"),
            ("Ostype", "linux"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
