"""What every scheduler must do, on a real Slurm."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import pytest

from torchx.testing import SchedulerConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.cluster.slurm.cluster import SlurmCluster


@pytest.mark.usefixtures("slurm")
class TestSlurm(SchedulerConformance):
    """Unreachable means that the controller does not answer; the accounting does."""

    selects_by_time = False
    timeout = 90

    @pytest.fixture(autouse=True)
    def _home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))

    @pytest.fixture
    def factory(self, slurm: SlurmCluster) -> str:
        return "torchx_slurm.scheduler:create_scheduler"

    @pytest.fixture
    def image(self) -> str:
        return ""

    @pytest.fixture
    def outage(self, slurm: SlurmCluster) -> Callable[[], AbstractContextManager[object]]:
        @contextlib.contextmanager
        def outage() -> Iterator[None]:
            # Not SIGKILL: the controller would forget what it has not yet written down.
            slurm.kill("slurmctld", signal.SIGTERM)
            try:
                yield
            finally:
                slurm.repair()

        return outage
