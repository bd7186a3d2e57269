"""What is asked about submitted jobs."""

from __future__ import annotations

import time

import pytest

from tests.core.runner.kit import CFG, Factories, app
from torchx.errors import TransientError
from torchx.runner import Runner
from torchx.runner._memory import Memory
from torchx.specs import AppDef, AppState, MalformedAppHandleException, UnknownAppException

HANDLE = "cluster://session/job"


@pytest.fixture
def runner(factories: Factories) -> Runner:
    """A runner that has submitted one job."""
    runner = factories.runner()
    runner.run(app(num_replicas=3), "cluster", CFG)
    return runner


def test_status_and_description(runner: Runner, factories: Factories) -> None:
    status = runner.status(HANDLE)
    assert status is not None
    assert (status.state, status.msg) == (AppState.RUNNING, "as told")
    described = runner.describe(HANDLE)
    assert described is not None
    assert (described.name, described.roles[0].num_replicas) == ("job", 3)
    other = Runner("session", {"cluster": lambda session_name, **_: factories.made[0]})  # did not submit it
    again = other.describe(HANDLE)
    assert again is not None
    assert again.roles == described.roles
    assert again.roles[0].env["TORCHX_JOB_ID"] == HANDLE


def test_unknown_jobs_are_none_or_an_error(runner: Runner) -> None:
    gone = "cluster://session/gone"
    assert runner.status(gone) is None
    assert runner.describe(gone) is None
    assert runner.describe_native(gone) is None
    assert runner.wait(gone) is None
    for ask in (runner.cancel, runner.delete, lambda handle: runner.log_lines(handle, "w")):
        with pytest.raises(UnknownAppException, match="cluster://session/gone"):
            ask(gone)


@pytest.mark.parametrize("handle", ["", "job", "cluster:/session/job", "cluster://session"], ids=repr)
def test_malformed_handles_are_named(runner: Runner, handle: str) -> None:
    with pytest.raises(MalformedAppHandleException):
        runner.status(handle)


def test_empty_session_name_is_valid(runner: Runner) -> None:
    status = runner.status("cluster:///job")
    assert status is not None
    assert status.state is AppState.RUNNING


def test_cancel_stop_and_delete_reach_the_scheduler(runner: Runner, factories: Factories) -> None:
    runner.cancel(HANDLE)
    with pytest.warns(DeprecationWarning, match="cancel"):
        runner.stop(HANDLE)
    runner.delete(HANDLE)
    assert (factories.made[0].cancelled, factories.made[0].deleted) == (["job", "job"], ["job"])
    assert runner.status(HANDLE) is None


def test_list_gives_handles(runner: Runner) -> None:
    assert [job.app_handle for job in runner.list("cluster")] == [HANDLE]
    # No option that only a submission needs is asked for.
    assert [job.app_handle for job in runner.list("cluster", {"priority": 3})] == [HANDLE]


def test_statuses_ask_once_per_scheduler(runner: Runner, factories: Factories) -> None:
    runner.run(AppDef("second", app().roles), "cluster", CFG)
    factories.made[0].asked = 0
    found = runner.statuses([HANDLE, "cluster://session/second", "cluster://session/gone"])
    assert [status and status.state for status in found.values()] == [AppState.RUNNING, AppState.RUNNING, None]
    assert factories.made[0].asked == 1


def test_many_jobs_are_described_with_one_request(runner: Runner, factories: Factories) -> None:
    factories.made[0].asked = 0
    gone = "cluster://session/gone"
    found = runner.describe_many([HANDLE, gone, "cluster://other/job", HANDLE])
    assert [*found] == [HANDLE, gone, "cluster://other/job"]
    described = found[HANDLE]
    assert described is not None
    assert (described.app_id, described.state, found[gone]) == ("job", AppState.RUNNING, None)
    assert found["cluster://other/job"] == described
    assert factories.made[0].asked == 1
    assert runner.describe_many([]) == {}


def test_runner_that_lives_long_forgets_old_jobs() -> None:
    memory = Memory(max_jobs=3, max_news=5)
    for number in range(10):
        memory.keep(f"job{number}", app())
        assert memory.is_news("submitted", f"job{number}")
        assert not memory.is_news("submitted", f"job{number}")
    assert [number for number in range(10) if memory.app(f"job{number}")] == [7, 8, 9]
    assert [number for number in range(10) if not memory.is_news("submitted", f"job{number}")] == []
    assert len(vars(memory)["_told"]) == 5
    memory.forget("job9")
    assert memory.app("job9") is None


def test_wait_survives_what_may_pass(runner: Runner, factories: Factories) -> None:
    factories.made[0].states = [
        AppState.PENDING,
        ConnectionError("lost"),
        TimeoutError("slow"),
        TransientError("503"),
        AppState.UNKNOWN,
        AppState.SUCCEEDED,
    ]
    status = runner.wait(HANDLE, wait_interval=0.01, timeout=30)
    assert status is not None
    assert status.state is AppState.SUCCEEDED


def test_wait_ends_with_what_does_not_pass(runner: Runner, factories: Factories) -> None:
    factories.made[0].states = [PermissionError("403")]
    with pytest.raises(PermissionError):
        runner.wait(HANDLE)


def test_wait_has_a_time_limit(runner: Runner) -> None:
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match=r"not ended in 0\.2 s"):
        runner.wait(HANDLE, timeout=0.2)
    assert time.monotonic() - begin < 5


def test_wait_asks_less_and_less_often(runner: Runner, factories: Factories) -> None:
    with pytest.raises(TimeoutError):
        runner.wait(HANDLE, timeout=1)
    # 10 ms growing by half each time: about ten questions in a second, not a hundred.
    assert 5 < factories.made[0].asked < 20


def test_logs_of_schedulers_that_only_iterate_come_whole(runner: Runner, factories: Factories) -> None:
    cluster = factories.made[0]
    cluster.lines = {("w", k): [f"{k}:{n}\n" for n in range(100)] for k in range(3)}
    assert [*runner.log_lines(HANDLE, "w", 1)] == cluster.lines["w", 1]
    got: dict[tuple[str, int], bytes] = {}
    for replica, block in runner.log_blocks(HANDLE):
        got[replica] = got.get(replica, b"") + block
    assert got == {replica: "".join(lines).encode() for replica, lines in cluster.lines.items()}


def test_following_can_be_left_early(runner: Runner, factories: Factories) -> None:
    factories.made[0].lines = {("w", k): [f"{n}\n" for n in range(100_000)] for k in range(3)}
    blocks = runner.log_blocks(HANDLE)
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]  # it is a generator
