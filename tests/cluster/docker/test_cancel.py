"""A cancelled job stays cancelled, whoever else is about to start a part of it, and in whatever step."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster.docker.jobs import TIMEOUT, Docker, docker_jobs
from torchx.specs import AppState, RetryPolicy
from torchx.testing.waiting import until, within
from torchx_docker.client import Engine
from torchx_docker.ending import cancel, remove
from torchx_docker.keeper import keep
from torchx_docker.lookup import replicas_of
from torchx_docker.restarting import FIRST_PAUSE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from tests.cluster.docker.engine import Client, EngineProcess

CRASHES = "sleep 0.3; exit 1"


@pytest.fixture
def jobs(docker: EngineProcess, tools_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Docker]:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    with docker_jobs(tools_image) as docker_:
        yield docker_


@pytest.fixture
def unwatched(jobs: Docker, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Jobs without a keeper."""
    monkeypatch.setattr("torchx_docker.keeper.launch", lambda app_id: None)
    return jobs


class Interrupted(Engine):
    """Lets something happen beside one call, the n-th of its method.

    Args:
        method: the call's.
        after: how many calls of it go before.
        first: it happens before the call, else right after it.
        happens: what happens.
    """

    def __init__(self, method: str, after: int, *, first: bool, happens: Callable[[], object]) -> None:
        super().__init__()
        self._calls = 0
        real = getattr(super(), method)
        lock = threading.Lock()

        def call(*args: Any, **kwargs: Any) -> Any:
            with lock:
                self._calls += 1
                now = self._calls == after + 1
            if now and first:
                happens()
            answer = real(*args, **kwargs)
            if now and not first:
                happens()
            return answer

        setattr(self, method, call)
        self._after = after

    def happened(self) -> bool:
        """Whether there was such a call."""
        return self._calls > self._after


def nothing_runs(jobs: Docker, app_id: str) -> bool:
    return not any(c["State"]["Running"] or c["State"]["Restarting"] for c in jobs.containers(app_id))


def starts(jobs: Docker, app_id: str) -> list[str]:
    return [c["State"]["StartedAt"] for c in jobs.containers(app_id)]


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("method", "after"),
    [("rename", n) for n in range(4)]
    + [("start", n) for n in range(3)]
    + [("signal", 0), ("containers", 1), ("containers", 4)],
    ids=str,
)
def test_a_job_that_is_cancelled_in_any_step_of_its_keeper_does_not_come_back(
    unwatched: Docker, method: str, after: int, first: bool
) -> None:
    app_id = unwatched.submit(
        unwatched.role(
            'test "$1" = 0 || sleep 600; exit 1',
            "${replica_id}",
            num_replicas=2,
            max_retries=1000,
            retry_policy=RetryPolicy.ROLE if after % 2 else RetryPolicy.APPLICATION,
        )
    )
    states: list[AppState] = []

    def cancel_elsewhere() -> None:
        other = Engine()
        cancel(other, app_id)
        other.close()
        states.append(unwatched.describe(app_id).state)

    engine = Interrupted(method, after, first=first, happens=cancel_elsewhere)
    within(TIMEOUT, lambda: keep(engine, app_id), "the keeper's end")
    engine.close()
    assert engine.happened()
    states.append(unwatched.describe(app_id).state)
    assert states == [AppState.CANCELLED] * 2
    assert nothing_runs(unwatched, app_id)


@pytest.mark.parametrize("policy", ["APPLICATION", "ROLE"])
def test_a_crashing_job_is_cancelled_by_another_shell_with_another_home(
    jobs: Docker, tmp_path: Path, policy: str
) -> None:
    fields: dict[str, Any] = {"num_replicas": 2, "max_retries": 1000, "retry_policy": RetryPolicy(policy)}
    app_ids = [jobs.submit(jobs.role(CRASHES, **fields)) for _ in range(2)]
    for n, app_id in enumerate(app_ids):
        until(lambda app_id=app_id: jobs.describe(app_id).num_restarts > 0, TIMEOUT, "a restart")  # type: ignore[misc]  # mypy sees no type in the bound default
        time.sleep(n * 0.2)  # in different steps of its keeper
        command = [sys.executable, "-m", "torchx", "cancel", f"local_docker://test/{app_id}"]
        env = {**os.environ, "TORCHX_HOME": str(tmp_path / "another")}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == 0, done.stderr
    before = [starts(jobs, app_id) for app_id in app_ids]
    seen = set()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        seen |= {
            described.state for d in [jobs.scheduler.describe_many(app_ids)] for described in d.values() if described
        }
    assert seen == {AppState.CANCELLED}
    assert [starts(jobs, app_id) for app_id in app_ids] == before
    assert all(nothing_runs(jobs, app_id) for app_id in app_ids)


def test_a_job_is_cancelled_between_two_runs_of_all_its_replicas(unwatched: Docker) -> None:
    """They have all ended, and nobody has said yet that they will be started again."""
    app_id = unwatched.submit(unwatched.role("exit 1", num_replicas=2, max_retries=9))
    engine = unwatched.scheduler._engine
    until(lambda: all(r.docker_state == "exited" for r in replicas_of(engine, app_id)), TIMEOUT, "the end of all")
    unwatched.scheduler.cancel(app_id)
    assert unwatched.describe(app_id).state == AppState.CANCELLED
    before = starts(unwatched, app_id)
    within(TIMEOUT, lambda: keep(engine, app_id), "the keeper's end")
    assert starts(unwatched, app_id) == before


@pytest.mark.parametrize("code", ["true", "exit 3"])
def test_a_job_that_is_over_is_not_cancelled_any_more(jobs: Docker, code: str) -> None:
    app_id = jobs.submit(jobs.role(code, num_replicas=2))
    state = jobs.end(app_id).state
    until(lambda: nothing_runs(jobs, app_id), TIMEOUT, "the end of all")
    jobs.scheduler.cancel(app_id)
    assert jobs.describe(app_id).state == state


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("method", ["create", "start"])
def test_a_job_that_is_cancelled_while_it_is_submitted_does_not_run(
    jobs: Docker, method: str, replicas: int, first: bool
) -> None:
    def cancel_elsewhere() -> None:
        other = Engine()
        cancel(other, jobs.ids[-1])
        other.close()

    there_is_a_job = method == "start" or not first or replicas > 1
    after = 1 if method == "create" and first and replicas > 1 else 0
    engine = Interrupted(method, after, first=first, happens=cancel_elsewhere)
    jobs.scheduler._engine, real = engine, jobs.scheduler._engine
    try:
        app_id = jobs.submit(jobs.role("sleep 600", num_replicas=replicas, max_retries=3))
    finally:
        jobs.scheduler._engine = real
        engine.close()
    assert engine.happened()
    if there_is_a_job:
        assert jobs.describe(app_id).state == AppState.CANCELLED
        until(lambda: nothing_runs(jobs, app_id), TIMEOUT, "the end of all")


def test_a_cancelled_job_leaves_nothing_when_it_is_deleted(jobs: Docker) -> None:
    app_id = jobs.submit(jobs.role("sleep 600", num_replicas=2))
    jobs.scheduler.cancel(app_id)
    engine = jobs.scheduler._engine
    assert len(engine.containers(["torchx.pytorch.org/version"], f"^/?{app_id}")) == 3
    jobs.scheduler.delete(app_id)
    assert engine.containers(["torchx.pytorch.org/version"], f"^/?{app_id}") == []


def test_containers_that_are_removed_by_the_job_s_label_leave_nothing(
    jobs: Docker, docker: EngineProcess, docker_clients: list[Client]
) -> None:
    app_id = jobs.submit(jobs.role("sleep 600"))
    jobs.scheduler.cancel(app_id)
    client = docker_clients[0]
    ids = (
        client.run(docker.host, "ps", "-aq", "--filter", f"label=torchx.pytorch.org/app-id={app_id}")
        .stdout.decode()
        .split()
    )
    client.run(docker.host, "rm", "-f", *ids).check_returncode()
    assert jobs.scheduler._engine.containers([], f"^/?{app_id}") == []


def test_a_job_that_is_deleted_while_it_is_cancelled_leaves_nothing(jobs: Docker) -> None:
    app_id = jobs.submit(jobs.role("sleep 600"))
    engine = Interrupted("create", 0, first=True, happens=lambda: remove(jobs.scheduler._engine, app_id))
    cancel(engine, app_id)
    assert engine.happened()
    assert engine.containers([], f"^/?{app_id}") == []
    engine.close()


def test_who_restarts_a_crashing_job_waits_longer_each_time(unwatched: Docker) -> None:
    app_id = unwatched.submit(unwatched.role("exit 1", num_replicas=2, max_retries=5))
    begun: list[float] = []
    engine = Interrupted("rename", 10**9, first=True, happens=list)
    start = engine.start
    engine.start = lambda name: bool(begun.append(time.monotonic())) or start(name)  # type: ignore[method-assign, func-returns-value]  # notes the time
    within(TIMEOUT, lambda: keep(engine, app_id), "the keeper's end")
    engine.close()
    assert len(begun) == 10
    gaps = [later - earlier for earlier, later in zip(begun[::2], begun[2::2], strict=False)]
    # The bounds of the pauses double, and each is drawn from the upper half of its bounds.
    assert all(gap >= FIRST_PAUSE * 2**n for n, gap in enumerate(gaps))
    assert unwatched.describe(app_id).state == AppState.FAILED
    remove(unwatched.scheduler._engine, app_id)
