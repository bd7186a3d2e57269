"""The engine is found as Docker's command line finds it, and what goes wrong is one line with the fix."""

from __future__ import annotations

import gc
import hashlib
import json
import socket
from socketserver import UnixStreamServer
from typing import TYPE_CHECKING

import docker
import pytest

from tests.serving import QuietHandler, serving
from torchx.errors import TorchXError, TransientError, UsageError
from torchx_docker.client import Engine
from torchx_docker.connection import EngineError, EngineUnreachableError, connect, engine_address, engine_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The Docker SDK forgets to close a socket that could not be connected.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the settings of Docker's client; nothing is set."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    yield folder
    gc.collect()  # while the warning is ignored


def make_context(settings: Path, name: str, host: str) -> None:
    folder = settings / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (folder / "meta.json").write_text(json.dumps(meta))


def test_the_address_is_the_variables_then_the_contexts_then_the_default(
    settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine_address() == "unix:///var/run/docker.sock"
    for name in ("work", "home"):
        make_context(settings, name, f"unix:///{name}")
    (settings / "config.json").write_text(json.dumps({"currentContext": "work"}))
    assert engine_address() == "unix:///work"
    monkeypatch.setenv("DOCKER_CONTEXT", "home")
    assert engine_address() == "unix:///home"
    monkeypatch.setenv("DOCKER_HOST", "unix:///variable")
    assert engine_address() == "unix:///variable"


@pytest.mark.parametrize(
    ("host", "kind", "message"),
    [
        ("unix:///no/socket", EngineUnreachableError, "no Docker engine answers at unix:///no/socket: No such file"),
        (
            "tcp://127.0.0.1:1",
            EngineUnreachableError,
            "no Docker engine answers at tcp://127.0.0.1:1: Connection refused",
        ),
        ("foo://bar", UsageError, "`foo://bar` is no address"),
        ("tcp://[", UsageError, "is no address"),
        ("ssh://somewhere.invalid", TorchXError, "somewhere.invalid"),
    ],
    ids=["no socket", "refused", "scheme", "malformed", "ssh"],
)
def test_an_engine_that_is_not_there_is_one_line_with_the_fix(
    monkeypatch: pytest.MonkeyPatch, host: str, kind: type[TorchXError], message: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(kind) as caught:
        Engine().containers([])
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_context_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(UsageError, match="no Docker context `nowhere`"):
        Engine().containers([])


def test_who_may_not_use_the_engine_is_told_how_to_get_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("DOCKER_HOST", "unix:///some/socket")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(EngineUnreachableError, match="may not be used: Permission denied") as caught:
        Engine().containers([])
    assert "group" in str(caught.value.hint)


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[str]:
    """Something that accepts connections and says nothing."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield f"unix://{path}"


def test_an_engine_that_says_nothing_is_given_up(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", silent)
    with pytest.raises(EngineUnreachableError, match="timed out"):
        connect(timeout=0.2)


class Answers(QuietHandler):
    """Tells its version, and refuses all else."""

    def do_GET(self) -> None:
        version = self.path == "/version"
        body = b'{"ApiVersion": "1.41"}' if version else b'{"message": "no such\\nthing"}'
        self.send_response(200 if version else 409)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_what_the_engine_says_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(UnixStreamServer(str(tmp_path / "s"), Answers)):
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
        engine = Engine()
        with pytest.raises(EngineError, match="Docker can't list containers: no such thing") as caught:
            engine.containers([])
        engine.close()
    assert caught.value.status == 409


def test_other_errors_are_nobodys_business() -> None:
    with pytest.raises(KeyError), engine_errors("do something"):
        raise KeyError("ours")


@pytest.mark.parametrize(
    "error",
    [
        docker.errors.InvalidArgument("not\nso"),
        docker.credentials.StoreError("broken"),
        docker.errors.NullResource("no"),
    ],
    ids=["argument", "helper", "nothing"],
)
def test_what_the_engine_was_never_asked_is_not_put_down_to_it(error: Exception) -> None:
    with pytest.raises(EngineError, match="Docker can't do something") as caught, engine_errors("do something"):
        raise error
    assert not isinstance(caught.value, TransientError)
    assert "\n" not in caught.value.message
