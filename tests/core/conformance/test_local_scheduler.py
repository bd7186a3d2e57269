"""The local scheduler does what every scheduler must."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from torchx.testing import SchedulerConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


class TestLocalScheduler(SchedulerConformance):
    timeout = 30

    @pytest.fixture
    def factory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
        (tmp_path / "cwd").mkdir()
        monkeypatch.chdir(tmp_path / "cwd")
        return "torchx.schedulers.local_scheduler:create_scheduler"

    @pytest.fixture
    def outage(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[object]]:
        """The jobs are seen from another host, as through a shared home folder: it can't tell how they are."""

        @contextlib.contextmanager
        def elsewhere() -> Iterator[None]:
            with monkeypatch.context() as patch:
                patch.setattr("torchx.schedulers._local.store.hostname", lambda: "another-host")
                yield

        return elsewhere
