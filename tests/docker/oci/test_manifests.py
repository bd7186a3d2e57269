"""Manifests are put when the registry sees what they refer to."""

from __future__ import annotations

import json
from http.server import ThreadingHTTPServer
from typing import cast

import pytest

from tests.serving import QuietHandler, serving
from torchx_docker.oci import registry as module
from torchx_docker.oci.errors import RegistryError
from torchx_docker.oci.registry import Document, Registry

UNKNOWN = {"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown to registry"}]}


class LateRegistry(ThreadingHTTPServer):
    """Sees a blob only after so many requests."""

    def __init__(self, late: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.late = late
        self.asked = 0


class _Handler(QuietHandler):
    def do_PUT(self) -> None:
        server = cast("LateRegistry", self.server)
        self.rfile.read(int(self.headers["Content-Length"]))
        server.asked += 1
        there = server.asked > server.late
        body = b"" if there else json.dumps(UNKNOWN).encode()
        self.send_response(201 if there else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize(("late", "asked"), [(0, 1), (3, 4)])
def test_a_blob_that_is_seen_late_is_waited_for(late: int, asked: int) -> None:
    with serving(LateRegistry(late)) as server:
        Registry(f"127.0.0.1:{server.server_address[1]}").put_manifest("a", "1", Document(b"{}", "x/y"))
        assert server.asked == asked


def test_a_blob_that_never_comes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOB_LIMIT", 0.5)
    with serving(LateRegistry(1000)) as server, pytest.raises(RegistryError, match="blob unknown"):
        Registry(f"127.0.0.1:{server.server_address[1]}").put_manifest("a", "1", Document(b"{}", "x/y"))
