"""The program that registers a model; a stand-in for TorchServe fetches it over HTTP, as the real one does."""

from __future__ import annotations

import http.server
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.serving import QuietHandler, serving
from torchx.apps.serve.serve import main, parse_args

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class ManagementApi(http.server.ThreadingHTTPServer):
    """Fetches the model on a registration; refuses it if ``refuse`` is set."""

    refuse = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registered: list[tuple[dict[str, str], bytes]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(QuietHandler):
    server: ManagementApi

    def do_POST(self) -> None:
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if not self.server.refuse:
            with urllib.request.urlopen(query["url"], timeout=10) as response:
                self.server.registered.append((query, response.read()))
        self.send_response(409 if self.server.refuse else 200)
        self.end_headers()
        self.wfile.write(self.server.refuse.encode() or b"registered")


@pytest.fixture
def api() -> Iterator[ManagementApi]:
    with serving(ManagementApi()) as server:
        yield server


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "my model.mar"
    path.write_bytes(b"weights")
    return path


def test_the_model_is_fetched_and_the_parameters_are_sent(
    api: ManagementApi, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = ["--param", "model_name=a&b=c", "--param=initial_workers=1"]
    main(["--model_path", str(model), "--management_api", f"{api.address}/", "--port", "0", *params])
    ((query, content),) = api.registered
    assert content == b"weights"
    assert query.pop("url").endswith("/my%20model.mar")
    assert query == {"model_name": "a&b=c", "initial_workers": "1"}
    assert capsys.readouterr().out == "registered\n"


def test_a_dry_run_sends_nothing(api: ManagementApi, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--model_path", str(model), "--management_api", api.address, "--port", "0", "--dryrun"])
    assert api.registered == []
    assert capsys.readouterr().out.startswith(f"POST {api.address}/models?url=http%3A%2F%2F127.0.0.1%3A")


def test_a_refusal_is_told(api: ManagementApi, model: Path) -> None:
    api.refuse = "model exists"
    with pytest.raises(SystemExit) as caught:
        main(["--model_path", str(model), "--management_api", api.address, "--port", "0"])
    assert "HTTP 409: model exists" in str(caught.value.code)


@pytest.mark.parametrize(
    ("model_path", "address"),
    [
        ("missing.mar", "http://127.0.0.1:1"),
        (__file__, "http://127.0.0.1:1"),
        (__file__, "localhost:80"),
        (__file__, "ftp://x"),
    ],
    ids=["no-model", "nobody-listens", "no-scheme", "wrong-scheme"],
)
def test_what_does_not_work_is_told_in_one_line(model_path: str, address: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--model_path", model_path, "--management_api", address, "--port", "0"])
    message = str(caught.value.code)
    assert message.startswith(f"error: cannot register `{model_path}` with `{address}`: ")
    assert "\n" not in message


def test_a_malformed_parameter_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_args(["--model_path", "m", "--management_api", "a", "--param", "x"])
    assert "'x'" in capsys.readouterr().err
