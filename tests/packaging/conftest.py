"""The distributions of this repository, built once, and fresh environments to install them into."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.packaging.built import DISTRIBUTIONS, ROOT, Built, Environment

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = 600


@pytest.fixture(scope="session")
def uv() -> str:
    """The program uv."""
    found = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert found, "the packaging tests need uv on PATH"
    return found


@pytest.fixture(scope="session")
def built(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Wheels and source distributions of all six, each wheel built from its source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    for name in DISTRIBUTIONS:
        _run([uv, "build", "--quiet", "--out-dir", str(folder), str(ROOT / "packages" / name)])
    return Built(folder)


@pytest.fixture(scope="session")
def new_environment(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Environment]:
    """Makes a virtual environment and installs into it what is named: requirements, wheels."""

    def make(*requirements: str) -> Environment:
        folder = tmp_path_factory.mktemp("environment")
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")])
        environment = Environment(folder, uv)
        environment.install(*requirements)
        return environment

    return make


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
