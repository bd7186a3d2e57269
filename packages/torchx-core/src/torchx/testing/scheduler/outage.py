"""A backend that can't be reached: nothing is known then, and nothing is claimed."""

from __future__ import annotations

import contextlib

import pytest

from torchx.errors import TorchXError
from torchx.specs.api import AppState
from torchx.testing.scheduler.contract import SchedulerContract
from torchx.testing.suite import needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.testing.jobs import Jobs
    from torchx.testing.scheduler.contract import Outage

FAILURES = (TorchXError, OSError)
"""What may be raised when something can't be done without the backend."""


class OutageChecks(SchedulerContract):
    """The ``outage`` fixture decides what is out of reach."""

    @needs("can_be_unreachable")
    def test_state_is_unknown_while_the_backend_is_unreachable(self, jobs: Jobs, outage: Outage) -> None:
        app_id = jobs.run("sleep 600")
        jobs.reach(app_id, AppState.RUNNING)
        with outage():
            described = jobs.describe(app_id)
            assert described.state == AppState.UNKNOWN
            assert described.msg.strip(), "the message does not say why"
            assert jobs.scheduler.exists(app_id)
            many = jobs.scheduler.describe_many([app_id])
            assert {key: found and found.state for key, found in many.items()} == {app_id: AppState.UNKNOWN}
        assert jobs.describe(app_id).state == AppState.RUNNING

    @needs("can_be_unreachable")
    def test_cancel_does_not_pretend_while_the_backend_is_unreachable(self, jobs: Jobs, outage: Outage) -> None:
        app_id = jobs.run("sleep 600")
        jobs.reach(app_id, AppState.RUNNING)
        with outage(), pytest.raises(FAILURES):
            jobs.scheduler.cancel(app_id)
        assert jobs.describe(app_id).state == AppState.RUNNING

    @needs("can_be_unreachable", "lists")
    def test_list_does_not_claim_that_there_are_no_jobs(self, jobs: Jobs, outage: Outage) -> None:
        app_id = jobs.run("sleep 600")
        jobs.reach(app_id, AppState.RUNNING)
        with outage():
            try:
                listed = {app.app_id: app.state for app in jobs.scheduler.list()}
            except FAILURES:
                return
            assert listed.get(app_id) == AppState.UNKNOWN

    @needs("can_be_unreachable")
    def test_dry_run_needs_no_backend(self, jobs: Jobs, outage: Outage) -> None:
        with outage():
            assert str(jobs.dryrun(jobs.app(jobs.role("true"))))

    @needs("can_be_unreachable")
    def test_schedule_that_is_repeated_after_an_outage_is_one_job(self, jobs: Jobs, outage: Outage) -> None:
        info = jobs.dryrun(jobs.app(jobs.role("sleep 600")))
        first = None
        with outage(), contextlib.suppress(*FAILURES):
            first = jobs.schedule(info)
        app_id = jobs.schedule(info)
        assert first in (None, app_id)
        jobs.reach(app_id, AppState.RUNNING)
        if self.lists:
            assert jobs.listed() == [app_id]
