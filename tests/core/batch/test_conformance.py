"""A small batch system over the base class does all that every scheduler must do."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from torchx.testing import SchedulerConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

FACTORY = "tests.core.batch.folder_batch:create_scheduler"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The batch system's own folder."""
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("torchx.schedulers.batch.submission.SUBMIT_TIMEOUT", 2.0)
    monkeypatch.setattr("torchx.schedulers.batch.scheduler.CANCEL_TIMEOUT", 1.0)
    monkeypatch.setattr("torchx.schedulers.batch.polling.FIRST_INTERVAL", 0.5)
    root = tmp_path / "batch"
    root.mkdir()
    return root


class TestFolderBatch(SchedulerConformance):
    selects_by_time = False

    @pytest.fixture
    def factory(self, root: Path) -> str:
        return FACTORY

    @pytest.fixture
    def factory_args(self, root: Path) -> dict[str, Any]:
        return {"root": str(root)}

    @pytest.fixture
    def outage(self, root: Path) -> Callable[[], AbstractContextManager[object]]:
        @contextlib.contextmanager
        def outage() -> Iterator[None]:
            (root / "down").touch()
            try:
                yield
            finally:
                (root / "down").unlink()

        return outage
