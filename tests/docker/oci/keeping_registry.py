"""A registry for one blob at a time that keeps what arrived before a cut, as the specification lets it."""

from __future__ import annotations

import hashlib
import re
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, urlsplit

from tests.serving import QuietHandler, serving

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class KeepingRegistry(ThreadingHTTPServer):
    """The server; see :func:`keeping_registry`.

    Attributes:
        name: ``127.0.0.1:<port>``.
        blobs: the complete blobs by digest.
        cuts: after so many bytes of a request's or an answer's body the connection is cut; one entry for each cut.
        answers: statuses to answer with instead of working, one for each request that sends or begins something.
        ranges: what requests said about the part of a blob that they send or want.
        received: bytes of blobs that have arrived.
        lose_answers: so many uploads are completed without an answer.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = f"127.0.0.1:{self.server_address[1]}"
        self.blobs: dict[str, bytes] = {}
        self.upload = bytearray()
        self.cuts: list[int] = []
        self.answers: list[int] = []
        self.ranges: list[str] = []
        self.received = 0
        self.lose_answers = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """Cut connections are what is tested."""


def keeping_registry() -> AbstractContextManager[KeepingRegistry]:
    """Runs the registry in a thread."""
    return serving(KeepingRegistry())


class _Handler(QuietHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    @property
    def registry(self) -> KeepingRegistry:
        return cast("KeepingRegistry", self.server)

    def do_POST(self) -> None:
        if not self._refused():
            self.registry.upload.clear()
            self._answer(202, Location="/v2/a/blobs/uploads/1?state=x")

    def do_PATCH(self) -> None:
        if self._refused():
            return
        self.registry.ranges.append(self.headers.get("Content-Range", ""))
        size = int(self.headers["Content-Length"])
        limit = self.registry.cuts.pop(0) if self.registry.cuts else size
        self._receive(min(size, limit))
        if limit < size:
            self.close_connection = True
            self.connection.close()
            return
        self._answer(202, Location="/v2/a/blobs/uploads/1?state=y", Range=self._range())

    def do_PUT(self) -> None:
        digest = parse_qs(urlsplit(self.path).query)["digest"][0]
        content = bytes(self.registry.upload)
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            self._answer(400)
            return
        self.registry.blobs[digest] = content
        if self.registry.lose_answers:
            self.registry.lose_answers -= 1
            self.close_connection = True
            self.connection.close()
            return
        self._answer(201)

    def do_HEAD(self) -> None:
        self._answer(200 if self.path.rpartition("/")[2] in self.registry.blobs else 404)

    def do_GET(self) -> None:
        if "/uploads/" in self.path:
            self._answer(204, Location="/v2/a/blobs/uploads/1?state=z", Range=self._range())
            return
        content = self.registry.blobs[self.path.rpartition("/")[2]]
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        self.registry.ranges.append(self.headers.get("Range", ""))
        content = content[int(wanted[1]) :] if wanted else content
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        limit = self.registry.cuts.pop(0) if self.registry.cuts else len(content)
        self.wfile.write(content[:limit])
        self.close_connection = limit < len(content)

    def _refused(self) -> bool:
        if not self.registry.answers:
            return False
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(self.registry.answers.pop(0))
        return True

    def _receive(self, size: int) -> None:
        while size and (piece := self.rfile.read(min(size, 1 << 16))):
            size -= len(piece)
            self.registry.upload += piece
            self.registry.received += len(piece)

    def _range(self) -> str:
        return f"0-{max(0, len(self.registry.upload) - 1)}"

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            if not (status == 204 and name == "Content-Length"):
                self.send_header(name, value)
        self.end_headers()
