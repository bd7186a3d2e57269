"""A token server: signs what the registry believes, for the user and for who shows an identity token.

The protocol: https://distribution.github.io/distribution/spec/auth/jwt/
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, urlsplit

from tests.cluster.images.registry import PASSWORD, USER
from tests.serving import QuietHandler, serving

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

IDENTITY_TOKEN = "an identity token"
SERVICE, ISSUER = "tests", "token server of the tests"


class TokenServer(ThreadingHTTPServer):
    """The server; see :func:`token_server`.

    Attributes:
        asked: the scopes of each request.
        lifetime: seconds for which a token is good.
        anonymous: who does not log in may pull, as in Docker Hub.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[list[str]] = []
        self.lifetime = 300
        self.anonymous = False
        self._key = folder / "key.pem"
        self.certificate = folder / "certificate.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tests", "-days", "2"),
                *("-keyout", str(self._key), "-out", str(self.certificate)),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )

    @property
    def settings(self) -> dict[str, object]:
        """The section ``auth`` of a registry that believes this server."""
        realm = f"http://127.0.0.1:{self.server_address[1]}/token"
        bundle = str(self.certificate)
        return {"token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle}}

    def sign(self, scopes: list[str]) -> str:
        """A token that allows what is asked for."""
        now = int(time.time())
        access = [
            {"type": kind, "name": name, "actions": actions.split(",")}
            for kind, name, actions in (scope.split(":") for scope in scopes)
        ]
        chain = "".join(self.certificate.read_text().splitlines()[1:-1])
        times = {"iat": now, "nbf": now - 10, "exp": now + self.lifetime}
        head = {"typ": "JWT", "alg": "RS256", "x5c": [chain]}
        body = {"iss": ISSUER, "sub": USER, "aud": SERVICE, "jti": str(time.time_ns()), "access": access, **times}
        signed = f"{_encoded(json.dumps(head).encode())}.{_encoded(json.dumps(body).encode())}"
        made = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", str(self._key)],
            input=signed.encode(),
            capture_output=True,
            check=True,
            timeout=60,
        )
        return f"{signed}.{_encoded(made.stdout)}"


def token_server(folder: Path) -> AbstractContextManager[TokenServer]:
    """Runs the server in a thread."""
    return serving(TokenServer(folder))


class _Handler(QuietHandler):
    def do_GET(self) -> None:
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        self._grant(parse_qs(urlsplit(self.path).query), self.headers.get("Authorization") == f"Basic {login}")

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        password = form.get("username") == [USER] and form.get("password") == [PASSWORD]
        self._grant(form, password or form.get("refresh_token") == [IDENTITY_TOKEN])

    def _grant(self, fields: dict[str, list[str]], known: bool) -> None:
        server = cast("TokenServer", self.server)
        scopes = [scope for text in fields.get("scope", []) for scope in text.split()]
        server.asked.append(scopes)
        public = server.anonymous and all(scope.endswith(":pull") for scope in scopes)
        if fields.get("service") != [SERVICE] or not (known or public):
            self.send_error(401)
            return
        answer = json.dumps({"access_token": server.sign(scopes)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
