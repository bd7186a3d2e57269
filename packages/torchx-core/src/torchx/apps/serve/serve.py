"""Registers a model with TorchServe.

TorchServe fetches models over HTTP. This program reads the model from any place that fsspec knows, offers it on a port
of this host, and asks the management API to fetch it from there.
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import os
import posixpath
import shutil
import socket
import sys
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTENT = "application/octet-stream"


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The arguments; ``param`` is a list of ``key=value`` strings."""
    parser = argparse.ArgumentParser(description="register a model with a running TorchServe instance")
    parser.add_argument("--model_path", required=True, help="the model archive, a path or a URI that fsspec knows")
    parser.add_argument("--management_api", required=True, help="its address, e.g. http://localhost:8081")
    parser.add_argument("--param", action="append", default=[], metavar="K=V", help="a parameter of the registration")
    parser.add_argument("--port", type=int, default=8222, help="the port to offer the model on, 0 for any free one")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for the management API")
    parser.add_argument("--dryrun", action="store_true", help="read the model and print what would be sent")
    args = parser.parse_args(argv)
    for param in args.param:
        if not param.partition("=")[1]:
            parser.error(f"argument --param: expected KEY=VALUE, got {param!r}")
    return args


def main(argv: list[str]) -> None:
    """Registers the model.

    Raises:
        SystemExit: the model cannot be read, or the registration fails.
    """
    args = parse_args(argv)
    try:
        with _local_copy(args.model_path) as path, _offered(path, args.port) as port:
            # The address under which the instance, maybe on another host, reaches this one.
            host = _own_address(args.management_api)
            model_url = f"http://{host}:{port}/{urllib.parse.quote(os.path.basename(path))}"
            params = [tuple(param.split("=", 1)) for param in args.param]
            query = urllib.parse.urlencode([("url", model_url), *params])
            request_url = f"{args.management_api.rstrip('/')}/models?{query}"
            if args.dryrun:
                print(f"POST {request_url}")
                return
            print(_register(request_url, args.timeout))
    except (OSError, ImportError, ValueError, http.client.HTTPException) as e:
        sys.exit(f"error: cannot register `{args.model_path}` with `{args.management_api}`: {e}")


@contextmanager
def _local_copy(uri: str) -> Iterator[str]:
    from fsspec.core import url_to_fs

    fs, source = url_to_fs(uri)
    with tempfile.TemporaryDirectory(prefix="torchx-serve-") as folder:
        path = os.path.join(folder, posixpath.basename(source.rstrip("/")) or "model.mar")
        with fs.open(source, "rb") as reader, open(path, "wb") as writer:
            shutil.copyfileobj(reader, writer)
        yield path


@contextmanager
def _offered(path: str, port: int) -> Iterator[int]:
    """Serves one file over HTTP while the block runs; gives the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if urllib.parse.unquote(self.path) != f"/{os.path.basename(path)}":
                self.send_error(404)
                return
            with open(path, "rb") as file:
                self.send_response(200)
                self.send_header("Content-Type", _CONTENT)
                self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
                self.end_headers()
                shutil.copyfileobj(file, self.wfile)

    with http.server.ThreadingHTTPServer(("", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _own_address(management_api: str) -> str:
    """This host's address on the route to the management API."""
    parts = urllib.parse.urlsplit(management_api)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the address must start with http:// or https://")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    family, kind, _, _, address = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(address)  # a datagram socket: nothing is sent
        host: str = probe.getsockname()[0]
    return f"[{host}]" if ":" in host else host


def _register(url: str, timeout: float) -> str:
    request = urllib.request.Request(url, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            answer: bytes = response.read()
    except urllib.error.HTTPError as e:
        with e:
            reason = e.read().decode("utf-8", "replace").strip()
        raise OSError(f"HTTP {e.code}: {reason or e.reason}") from e
    return answer.decode("utf-8", "replace").strip()


if __name__ == "__main__":
    main(sys.argv[1:])
