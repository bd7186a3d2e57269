"""The set-up of a checkout, with a stand-in for uv."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).parents[2] / "dev.py"


@pytest.fixture
def dev() -> Any:
    spec = importlib.util.spec_from_file_location("dev", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts shell code in uv's place; what it appends to ``$CALLS`` is in the file that is returned."""

    def uv(code: str) -> Path:
        program = tmp_path / "uv"
        program.write_text(f"#!/bin/sh\n{code}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
        for name in ("UV_NATIVE_TLS", "UV_SYSTEM_CERTS"):
            monkeypatch.delenv(name, raising=False)
        return tmp_path / "calls"

    return uv


REFUSE = "echo 'error: invalid peer certificate: UnknownIssuer' >&2; exit 2"


def test_a_proxy_s_certificate_is_looked_up_in_the_system(dev: Any, uv: Callable[[str], Path]) -> None:
    calls = uv(f'echo "tls=$UV_NATIVE_TLS certs=$UV_SYSTEM_CERTS" >> "$CALLS"; [ "$UV_NATIVE_TLS" ] || {{ {REFUSE}; }}')
    dev.sync("--group", "core")
    assert calls.read_text() == "tls= certs=\ntls=true certs=true\n"


@pytest.mark.parametrize(
    ("code", "times"), [(REFUSE, 2), ("echo 'error: no space' >&2; exit 2", 1)], ids=["certificate", "other"]
)
def test_what_uv_says_of_a_failure_is_shown(
    dev: Any, uv: Callable[[str], Path], capfd: pytest.CaptureFixture[str], code: str, times: int
) -> None:
    calls = uv(f'echo x >> "$CALLS"; {code}')
    assert dev.main(["demo"]) == 2
    assert calls.read_text() == "x\n" * times
    err = capfd.readouterr().err
    assert err.count("error: ") == 2
    assert "ended with exit status 2" in err
