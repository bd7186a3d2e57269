"""Jobs belong to the backend: any process sees them, and they outlive the one that submitted them."""

from __future__ import annotations

import signal

from torchx.specs.api import AppState
from torchx.testing.processes import elsewhere
from torchx.testing.scheduler.contract import SchedulerContract
from torchx.testing.suite import needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import pytest

    from torchx.testing.jobs import Jobs

OPEN = """
from torchx.plugins._loading import load_target
scheduler = load_target(factory)("another", **factory_args)
"""

LOOK = (
    OPEN
    + """
described = scheduler.describe(app_id)
lines = [*scheduler.log_iter(app_id, "worker", should_tail=False)] if has_logs else ["ready\\n"]
listed = [app.app_id for app in scheduler.list() if app.app_id == app_id] if lists else [app_id]
result = [described.state.name, lines, listed]
"""
)

CANCEL = OPEN + "scheduler.cancel(app_id)\n"

SUBMIT_AND_DIE = (
    OPEN
    + """
import os, signal
from torchx.specs import AppDef, Resource, Role
role = Role("worker", image, entrypoint="sh", args=["-c", code], resource=Resource(**resource))
app_id = scheduler.schedule(scheduler.submit_dryrun(AppDef("conformance", [role]), cfg))
with open(note, "w") as file:
    file.write(app_id)
os.kill(os.getpid(), signal.SIGKILL)
"""
)


class OtherProcessChecks(SchedulerContract):
    """A job that another process has submitted, or asks about."""

    def test_another_process_sees_and_cancels_the_job(
        self, jobs: Jobs, factory: str, factory_args: dict[str, Any]
    ) -> None:
        app_id = jobs.run("echo ready; sleep 600")
        jobs.reach(app_id, AppState.RUNNING)
        if self.has_logs:
            assert next(iter(jobs.scheduler.log_iter(app_id, "worker", should_tail=True))) == "ready\n"
        where: dict[str, Any] = {"factory": factory, "factory_args": factory_args, "app_id": app_id}
        found = elsewhere(LOOK, **where, has_logs=self.has_logs, lists=self.lists)
        assert found == ["RUNNING", ["ready\n"], [app_id]]
        elsewhere(CANCEL, **where)
        assert jobs.end(app_id).state == AppState.CANCELLED

    @needs("outlives_submitter")
    def test_job_outlives_the_process_that_submitted_it(
        self, jobs: Jobs, factory: str, factory_args: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        note = tmp_path_factory.mktemp("submitter") / "app_id"
        elsewhere(
            SUBMIT_AND_DIE,
            expect=-signal.SIGKILL,
            factory=factory,
            factory_args=factory_args,
            image=jobs.image,
            cfg=dict(jobs.cfg),
            resource=jobs.plain_resource(),
            code="sleep 1; echo done",
            note=str(note),
        )
        app_id = note.read_text()
        jobs.own(app_id)
        assert jobs.end(app_id).state == AppState.SUCCEEDED
        if self.has_logs:
            assert jobs.lines(app_id) == ["done\n"]
