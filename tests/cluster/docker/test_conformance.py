"""``local_docker`` does what every scheduler must, on a real engine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from torchx.testing import SchedulerConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.cluster.docker.engine import EngineProcess


# The Docker SDK forgets to close a socket that could not be connected.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
class TestLocalDocker(SchedulerConformance):
    carries_any_bytes = False  # requests are JSON
    sdk = ("docker", "requests", "urllib3")

    @pytest.fixture
    def factory(self, docker: EngineProcess, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv("DOCKER_HOST", docker.host)
        return "torchx.schedulers.docker_scheduler:create_scheduler"

    @pytest.fixture
    def image(self, tools_image: str) -> str:
        return tools_image

    @pytest.fixture
    def outage(self, docker: EngineProcess) -> Callable[[], AbstractContextManager[object]]:
        """The engine is killed, and started again."""

        @contextlib.contextmanager
        def killed() -> Iterator[None]:
            docker.kill()
            try:
                yield
            finally:
                docker.start()

        return killed
