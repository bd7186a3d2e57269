"""Jobs of components on this machine, with a home folder of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; what jobs call is found beside the interpreter, and in ``bin`` before all else."""
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCHXCONFIG", "")
    path = [str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    return work


@pytest.fixture
def command(work: Path) -> Callable[[str, str], None]:
    """Puts a program in Python in front of all others on the PATH."""

    def command(name: str, source: str) -> None:
        program = work.parent / "bin" / name
        program.write_text(f"#!{sys.executable}\n{source}")
        program.chmod(0o755)

    return command
