"""Jobs of the local scheduler in a folder of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.local.kit import Jobs
from torchx.schedulers.local_scheduler import create_scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TORCHX_HOME of the test; the current folder is an empty one beside it."""
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path / "home"


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    """A scheduler whose jobs are all gone at the end of the test."""
    jobs = Jobs(create_scheduler("test"))
    yield jobs
    for app_id in jobs.ids:
        jobs.scheduler.cancel(app_id)
    for app_id in jobs.ids:
        if jobs.scheduler.exists(app_id):
            jobs.wait(app_id)
    assert not [pid for app_id in jobs.ids if jobs.scheduler.exists(app_id) for pid in jobs.processes(app_id)]
