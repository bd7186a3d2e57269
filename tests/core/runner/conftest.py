"""A runner over one scheduler in memory, and no configuration but the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.runner.kit import Factories

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder and the home folder are empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TORCHXCONFIG", raising=False)
    return tmp_path


@pytest.fixture
def factories() -> Factories:
    return Factories()
