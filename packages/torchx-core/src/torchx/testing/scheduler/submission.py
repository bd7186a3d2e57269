"""A dry run is pure, and submitting one request makes one job."""

from __future__ import annotations

import copy

import pytest

from torchx.specs.api import AppState, InvalidRunConfigException
from torchx.testing.processes import AUDIT, elsewhere
from torchx.testing.scheduler.contract import SchedulerContract
from torchx.testing.suite import needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from torchx.schedulers.api import Scheduler
    from torchx.specs.api import CfgVal
    from torchx.testing.jobs import Jobs

DRY_RUN = (
    """
from torchx.plugins._loading import load_target
from torchx.specs import AppDef, Resource, Role
make = load_target(factory)
"""
    + AUDIT
    + """
scheduler = make("conformance", **factory_args)
role = Role("worker", image, entrypoint="echo", args=["hello"], env={"A": "b"}, resource=Resource(**resource))
info = scheduler.submit_dryrun(AppDef("conformance", [role]), cfg)
text = str(info)
result = [changes[:], [name for name in sdk if name in sys.modules], bool(text.strip())]
"""
)


class SubmissionChecks(SchedulerContract):
    """``submit_dryrun`` and ``schedule``."""

    def test_dry_run_leaves_the_callers_app_and_options_alone(self, jobs: Jobs) -> None:
        app = jobs.app(jobs.role("echo ${replica_id} $HOME", env={"A": "${app_id}"}))
        app.metadata["team"] = "a"
        options: dict[str, CfgVal] = dict(jobs.cfg)
        before = copy.deepcopy((app, options))
        jobs.scheduler.submit_dryrun(app, options)
        assert (app, options) == before

    def test_schedule_leaves_the_callers_app_alone(self, jobs: Jobs) -> None:
        app = jobs.app(jobs.role("true"))
        before = copy.deepcopy(app)
        jobs.schedule(jobs.dryrun(app))
        assert app == before

    def test_dry_run_sends_nothing_and_imports_no_client_package(
        self, jobs: Jobs, factory: str, factory_args: dict[str, Any]
    ) -> None:
        changes, imported, rendered = elsewhere(
            DRY_RUN,
            factory=factory,
            factory_args=factory_args,
            cfg=dict(jobs.cfg),
            image=jobs.image,
            resource=jobs.plain_resource(),
            sdk=self.sdk,
        )
        assert changes == []
        assert imported == []
        assert rendered, "the request has no text for `torchx run --dryrun`"

    @needs("lists")
    def test_dry_run_makes_no_job(self, jobs: Jobs) -> None:
        before = {app.app_id for app in jobs.scheduler.list()}
        jobs.dryrun(jobs.app(jobs.role("true")))
        assert {app.app_id for app in jobs.scheduler.list()} <= before

    def test_dry_run_knows_its_app_options_and_scheduler(self, jobs: Jobs) -> None:
        app = jobs.app(jobs.role("true"))
        info = jobs.dryrun(app)
        assert info._app == app
        assert info._scheduler == jobs.scheduler.backend
        assert info._cfg is not None
        assert {**info._cfg, **jobs.cfg} == {**info._cfg}

    def test_unknown_option_is_refused(self, jobs: Jobs) -> None:
        with pytest.raises(InvalidRunConfigException, match="no_such_option"):
            jobs.scheduler.submit_dryrun(jobs.app(jobs.role("true")), {**jobs.cfg, "no_such_option": 1})

    def test_every_option_is_explained(self, scheduler: Scheduler[Any]) -> None:
        assert [name for name, option in scheduler.run_opts() if not option.help.strip()] == []

    def test_repeated_schedule_is_one_job(self, jobs: Jobs) -> None:
        info = jobs.dryrun(jobs.app(jobs.role("sleep 600")))
        first = jobs.schedule(info)
        assert jobs.schedule(info) == first
        if self.lists:
            assert jobs.listed() == [first]

    def test_schedule_after_the_jobs_end_starts_nothing(self, jobs: Jobs) -> None:
        info = jobs.dryrun(jobs.app(jobs.role("echo once")))
        app_id = jobs.schedule(info)
        jobs.end(app_id)
        assert jobs.schedule(info) == app_id
        assert jobs.describe(app_id).state == AppState.SUCCEEDED
        if self.has_logs:
            assert jobs.lines(app_id) == ["once\n"]

    def test_two_dry_runs_of_one_app_are_two_jobs(self, jobs: Jobs) -> None:
        app = jobs.app(jobs.role("true"))
        assert jobs.schedule(jobs.dryrun(app)) != jobs.schedule(jobs.dryrun(app))
