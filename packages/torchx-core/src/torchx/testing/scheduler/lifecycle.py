"""Jobs run, end, are cancelled and forgotten, and the scheduler tells the truth about it."""

from __future__ import annotations

import pytest

from torchx.errors import TorchXError
from torchx.specs.api import AppState, is_terminal
from torchx.testing.hostile import UNKNOWN_IDS
from torchx.testing.scheduler.contract import SchedulerContract
from torchx.testing.suite import needs
from torchx.testing.waiting import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.testing.jobs import Jobs


class LifecycleChecks(SchedulerContract):
    """``describe``, ``describe_many``, ``list``, ``cancel`` and ``delete``."""

    def test_job_that_ends_well_succeeded(self, jobs: Jobs) -> None:
        described = jobs.end(jobs.run("exit 0"))
        assert described.state == AppState.SUCCEEDED, described.msg
        assert {replica.state for role in described.roles_statuses for replica in role.replicas} <= {AppState.SUCCEEDED}

    @pytest.mark.parametrize("code", ["exit 3", "kill -9 $$"], ids=["exit status", "signal"])
    def test_job_that_ends_badly_failed(self, jobs: Jobs, code: str) -> None:
        assert jobs.end(jobs.run(code)).state == AppState.FAILED

    def test_program_that_does_not_exist_is_an_error(self, jobs: Jobs) -> None:
        """At the submission or afterwards, but never a success."""
        role = jobs.role("true")
        role.entrypoint = "/no/such/program"
        try:
            app_id = jobs.submit(role)
        except TorchXError as error:
            assert "/no/such/program" in error.message
        else:
            assert jobs.end(app_id).state == AppState.FAILED

    @needs("runs_several_replicas")
    def test_one_failed_replica_fails_the_job(self, jobs: Jobs) -> None:
        app_id = jobs.run("exit $1", "${replica_id}", num_replicas=2)
        assert jobs.end(app_id).state == AppState.FAILED

    @needs("runs_several_roles")
    def test_one_failed_role_fails_the_job(self, jobs: Jobs) -> None:
        app_id = jobs.submit(jobs.role("exit 1", name="first"), jobs.role("exit 0", name="last"))
        assert jobs.end(app_id).state == AppState.FAILED

    @needs("runs_several_roles", "has_logs")
    def test_all_roles_run(self, jobs: Jobs) -> None:
        app_id = jobs.submit(jobs.role("echo a", name="one"), jobs.role("echo b", name="two"))
        assert jobs.lines(app_id, "one") == ["a\n"]
        assert jobs.lines(app_id, "two") == ["b\n"]

    def test_running_job_is_told_as_running_and_a_cancelled_one_as_cancelled(self, jobs: Jobs) -> None:
        app_id = jobs.run("sleep 600")
        jobs.reach(app_id, AppState.RUNNING)
        jobs.scheduler.cancel(app_id)
        described = jobs.end(app_id)
        assert described.state == AppState.CANCELLED, described.msg

    def test_job_that_ignores_the_first_signal_is_cancelled(self, jobs: Jobs) -> None:
        app_id = jobs.run("trap '' TERM INT; while :; do sleep 600; done")
        jobs.reach(app_id, AppState.RUNNING)
        jobs.scheduler.cancel(app_id)
        assert jobs.end(app_id).state == AppState.CANCELLED

    def test_cancel_right_after_the_submission(self, jobs: Jobs) -> None:
        app_id = jobs.run("sleep 600")
        jobs.scheduler.cancel(app_id)
        jobs.scheduler.cancel(app_id)
        assert jobs.end(app_id).state == AppState.CANCELLED

    def test_cancel_of_an_ended_job_changes_nothing(self, jobs: Jobs) -> None:
        app_id = jobs.run("true")
        jobs.end(app_id)
        jobs.scheduler.cancel(app_id)
        assert jobs.describe(app_id).state == AppState.SUCCEEDED

    @needs("forgets_deleted")
    @pytest.mark.parametrize("code", ["true", "sleep 600"], ids=["ended", "running"])
    def test_deleted_job_is_forgotten(self, jobs: Jobs, code: str) -> None:
        app_id = jobs.run(code)
        jobs.end(app_id) if code == "true" else jobs.reach(app_id, AppState.RUNNING)
        jobs.scheduler.delete(app_id)
        until(lambda: jobs.scheduler.describe(app_id) is None, self.timeout, f"`{app_id}` to be forgotten")
        assert not jobs.scheduler.exists(app_id)
        if self.lists:
            assert jobs.listed() == []

    @pytest.mark.parametrize("app_id", UNKNOWN_IDS, ids=lambda app_id: repr(app_id[:20]))
    def test_unknown_job_is_none_and_no_error(self, jobs: Jobs, app_id: str) -> None:
        assert jobs.scheduler.describe(app_id) is None
        assert not jobs.scheduler.exists(app_id)
        assert jobs.scheduler.describe_native(app_id) is None
        assert jobs.scheduler.describe_many([app_id]) == {app_id: None}
        jobs.scheduler.cancel(app_id)
        jobs.scheduler.delete(app_id)

    def test_many_jobs_are_described_at_once(self, jobs: Jobs) -> None:
        good, bad = jobs.run("true"), jobs.run("false")
        jobs.end(good)
        jobs.end(bad)
        found = jobs.scheduler.describe_many([good, "nothing", bad])
        assert {app_id: described and described.state for app_id, described in found.items()} == {
            good: AppState.SUCCEEDED,
            "nothing": None,
            bad: AppState.FAILED,
        }
        assert jobs.scheduler.describe_many([]) == {}

    @needs("lists")
    def test_list_shows_each_job_once_with_its_state(self, jobs: Jobs) -> None:
        running, ended = jobs.run("sleep 600"), jobs.run("true")
        jobs.reach(running, AppState.RUNNING)
        jobs.end(ended)
        expected = {running: AppState.RUNNING, ended: AppState.SUCCEEDED}
        for rows in (jobs.scheduler.list(), jobs.scheduler.list(None), [*jobs.scheduler.iter_list()]):
            found = [row for row in rows if row.app_id in expected]
            assert len(found) == 2
            assert {row.app_id: row.state for row in found} == expected

    def test_states_only_go_forward(self, jobs: Jobs) -> None:
        app_id = jobs.run("sleep 0.2")
        seen = [AppState.SUBMITTED]
        until(lambda: seen.append(jobs.describe(app_id).state) or is_terminal(seen[-1]), self.timeout)  # type: ignore[func-returns-value]  # append returns None
        assert seen == sorted(seen)
        assert AppState.UNKNOWN not in seen

    def test_close_touches_no_job(self, jobs: Jobs) -> None:
        app_id = jobs.run("sleep 600")
        jobs.reach(app_id, AppState.RUNNING)
        jobs.scheduler.close()
        jobs.scheduler.close()
        assert jobs.describe(app_id).state == AppState.RUNNING
