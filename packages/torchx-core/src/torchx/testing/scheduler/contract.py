"""What the suite for schedulers wants to know: fixtures, and capability flags."""

from __future__ import annotations

import pytest

from torchx.testing.jobs import Jobs
from torchx.testing.suite import ConformanceSuite, missing_fixture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from torchx.schedulers.api import Scheduler
    from torchx.specs.api import CfgVal, Resource

    Outage = Callable[[], AbstractContextManager[object]]


class SchedulerContract(ConformanceSuite):
    """Fixtures and flags of :class:`~torchx.testing.SchedulerConformance`.

    Attributes:
        runs_several_roles: a job may have several roles.
        runs_several_replicas: a role may have several replicas.
        carries_any_bytes: arguments and variables may be bytes that are no UTF-8. False where requests are JSON.
        has_logs: what replicas write can be read.
        separates_streams: standard output and error can be read apart.
        selects_by_time: ``since`` and ``until`` are obeyed.
        lists: ``list`` shows the jobs.
        forgets_deleted: a deleted job is unknown soon afterwards.
        outlives_submitter: a job goes on when the process that submitted it is killed.
        can_be_unreachable: the backend can be out of reach. False only where there is nothing to reach.
        sdk: top-level modules of the backend's client package, which a dry run must not import.
        timeout: seconds that one step (a start, an end, a log) may take.
    """

    runs_several_roles: bool = True
    runs_several_replicas: bool = True
    carries_any_bytes: bool = True
    has_logs: bool = True
    separates_streams: bool = True
    selects_by_time: bool = True
    lists: bool = True
    forgets_deleted: bool = True
    outlives_submitter: bool = True
    can_be_unreachable: bool = True
    sdk: tuple[str, ...] = ()
    timeout: float = 60

    @pytest.fixture
    def factory(self) -> str:
        """The scheduler's factory, ``"package.module:create_scheduler"``.

        It is also called in other processes, which get this one's environment: a fixture that sets up a backend tells
        them of it by variables (``monkeypatch.setenv``), or by ``factory_args``.
        """
        missing_fixture("SchedulerConformance", "factory", 'the factory, "package.module:create_scheduler"')

    @pytest.fixture
    def factory_args(self) -> dict[str, Any]:
        """Keyword arguments of the factory beside ``session_name``; they must fit into JSON."""
        return {}

    @pytest.fixture
    def cfg(self) -> dict[str, CfgVal]:
        """Options of all jobs."""
        return {}

    @pytest.fixture
    def image(self) -> str:
        """An image with ``sh``, ``cat``, ``date``, ``od``, ``seq``, ``sleep`` and ``tr``."""
        return "image"

    @pytest.fixture
    def resource(self) -> Resource:
        """A small resource that the backend has."""
        from torchx.specs.api import Resource

        return Resource(cpu=1, gpu=0, memMB=128)

    @pytest.fixture
    def outage(self) -> Outage:
        """Makes the backend unreachable: ``with outage(): ...``; afterwards it can be reached again.

        It concerns the scheduler of the running test, which exists already when the outage begins.
        """
        missing_fixture(
            "SchedulerConformance", "outage", "a function whose `with` block has no connection to the backend"
        )

    @pytest.fixture
    def scheduler(self, factory: str, factory_args: dict[str, Any]) -> Iterator[Scheduler[Any]]:
        """The scheduler under test."""
        from torchx.plugins._loading import load_target

        make: Callable[..., Scheduler[Any]] = load_target(factory)  # type: ignore[assignment]  # what a factory is
        scheduler = make("conformance", **factory_args)
        yield scheduler
        scheduler.close()

    @pytest.fixture
    def jobs(self, scheduler: Scheduler[Any], cfg: dict[str, CfgVal], image: str, resource: Resource) -> Iterator[Jobs]:
        """Submits jobs, and removes them at the end of the test."""
        jobs = Jobs(scheduler, cfg=cfg, image=image, resource=resource, timeout=self.timeout)
        yield jobs
        jobs.clean_up()
