"""``local_docker`` when the engine is killed, is not there, or does not answer."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.cluster.docker.jobs import TIMEOUT, Docker, docker_jobs
from torchx.runner import get_runner
from torchx.specs import AppState, RetryPolicy
from torchx.testing.waiting import until
from torchx_docker.connection import EngineUnreachableError
from torchx_docker.lookup import replicas_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from tests.cluster.docker.engine import Client, EngineProcess

# The Docker SDK forgets to close a socket that could not be connected.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

LINES = 4000
WRITES = f"""
n=0
while [ $n -lt {LINES} ]; do
  echo "out $n"
  echo "err $n" >&2
  n=$((n + 1))
  [ $((n % 10)) = 0 ] && sleep 0.01
done
"""


@pytest.fixture
def jobs(docker: EngineProcess, tools_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Docker]:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    with docker_jobs(tools_image) as docker_:
        yield docker_


class Follower(threading.Thread):
    """Reads a log to its end."""

    def __init__(self, jobs: Docker, app_id: str, k: int) -> None:
        super().__init__(daemon=True)
        self.lines: list[str] = []
        self._log = jobs.scheduler.log_iter(app_id, "worker", k, should_tail=True)
        self.start()

    def run(self) -> None:
        for line in self._log:
            self.lines.append(line)


def test_no_line_is_lost_or_doubled_when_the_engine_is_killed_meanwhile(
    jobs: Docker, docker: EngineProcess, docker_clients: list[Client]
) -> None:
    app_id = jobs.submit(jobs.role(WRITES, num_replicas=2))
    followers = [Follower(jobs, app_id, k) for k in range(2)]
    for at in (LINES // 4, LINES):
        until(lambda at=at: all(len(f.lines) > at for f in followers), TIMEOUT, f"{at} lines")  # type: ignore[misc]  # mypy sees no type in the bound default
        docker.kill()
        assert jobs.describe(app_id).state == AppState.UNKNOWN
        docker.start()
        assert jobs.describe(app_id).state == AppState.RUNNING
    assert jobs.end(app_id).state == AppState.SUCCEEDED
    for follower, container in zip(followers, replicas_of(jobs.scheduler._engine, app_id), strict=True):
        follower.join(TIMEOUT)
        assert not follower.is_alive()
        # What the engine itself has lost when it was killed is in no log of its own.
        kept = docker_clients[0].run(docker.host, "logs", container.container)
        for stream, written in (("out", kept.stdout), ("err", kept.stderr)):
            expected = written.decode().splitlines(keepends=True)
            assert expected[-1] == f"{stream} {LINES - 1}\n"
            assert [line for line in follower.lines if line.startswith(stream)] == expected


def test_who_waits_for_a_job_waits_on_while_the_engine_is_gone(jobs: Docker, docker: EngineProcess) -> None:
    app_id = jobs.submit(jobs.role("sleep 4; exit 3"))
    with get_runner("test") as runner:
        ended: list[object] = []
        waiter = threading.Thread(
            target=lambda: ended.append(runner.wait(f"local_docker://test/{app_id}", wait_interval=0.2))
        )
        waiter.start()
        docker.kill()
        waiter.join(1)
        assert waiter.is_alive()
        docker.start()
        waiter.join(TIMEOUT)
    assert [getattr(status, "state", None) for status in ended] == [AppState.FAILED]


def test_the_keeper_of_a_job_survives_the_engine(jobs: Docker, docker: EngineProcess, tmp_path: Path) -> None:
    from torchx.specs import BindMount

    go = jobs.role(
        'if [ "$1" = 1 ]; then until [ -e /go/now ]; do sleep 0.1; done; exit 3; fi; sleep 600',
        "${replica_id}",
        num_replicas=2,
        mounts=[BindMount(str(tmp_path), "/go")],
    )
    app_id = jobs.submit(go)
    docker.kill()
    docker.start()
    (tmp_path / "now").touch()
    described = jobs.end(app_id)
    assert described.state == AppState.FAILED
    assert [r.state for r in described.roles_statuses[0].replicas] == [AppState.CANCELLED, AppState.FAILED]


def test_what_was_ended_does_not_run_again_when_the_engine_starts(jobs: Docker, docker: EngineProcess) -> None:
    """An engine starts again what has failed and has restarts left, whoever ended it."""
    obeys = 'trap "exit 7" TERM; test "$1" = 1 && exit 3; while :; do sleep 0.1; done'
    fields: dict[str, Any] = {"max_retries": 1, "retry_policy": RetryPolicy.REPLICA}
    cancelled = jobs.submit(jobs.role(obeys, "0", **fields))
    jobs.reach(cancelled, AppState.RUNNING)
    failed = jobs.submit(jobs.role(obeys, "${replica_id}", num_replicas=2, **fields))
    jobs.scheduler.cancel(cancelled)
    assert jobs.end(failed).state == AppState.FAILED
    before = [[c["State"]["StartedAt"] for c in jobs.containers(job)] for job in (cancelled, failed)]
    docker.kill()
    docker.start()
    # Starting is the engine's first work; this job's end shows that it has come to others.
    assert jobs.end(jobs.submit(jobs.role("true"))).state == AppState.SUCCEEDED
    assert [jobs.describe(job).state for job in (cancelled, failed)] == [AppState.CANCELLED, AppState.FAILED]
    assert [[c["State"]["StartedAt"] for c in jobs.containers(job)] for job in (cancelled, failed)] == before


def test_a_submission_that_loses_the_engine_is_one_job(
    jobs: Docker, docker: EngineProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine dies after it has created a container and before it has said so."""
    engine = jobs.scheduler._engine
    create = engine.create
    created: list[str] = []

    def create_and_lose_the_answer(name: str, config: Mapping[str, Any]) -> str:
        created.append(create(name, config))
        if len(created) == 1:
            docker.kill()
            docker.start()
            raise EngineUnreachableError("the answer was lost")
        return created[-1]

    monkeypatch.setattr(engine, "create", create_and_lose_the_answer)
    app_id = jobs.submit(jobs.role("sleep 600", num_replicas=2))
    assert jobs.reach(app_id, AppState.RUNNING)
    assert {r.container for r in replicas_of(engine, app_id)} == {*created}
    assert len(created) == 2


@pytest.mark.parametrize(
    "command",
    [
        ["run", "-s", "local_docker", "--workspace", "", "utils.echo"],
        ["list", "-s", "local_docker"],
        ["cancel", "local_docker://test/job-1"],
        ["delete", "local_docker://test/job-1"],
    ],
    ids=lambda command: command[0],
)
def test_without_an_engine_there_is_one_line_with_the_fix(tmp_path: Path, command: list[str]) -> None:
    done = _torchx(f"unix://{tmp_path}/nothing", *command)
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert error == f"error: no Docker engine answers at unix://{tmp_path}/nothing: No such file or directory"
    assert hint == "hint: start it, or name another one with DOCKER_HOST"


def test_the_state_of_a_job_whose_engine_is_not_there_is_unknown(tmp_path: Path) -> None:
    done = _torchx(f"unix://{tmp_path}/nothing", "status", "local_docker://test/job-1")
    assert "UNKNOWN" in done.stdout
    assert "no Docker engine answers" in done.stdout


def test_a_job_whose_engine_is_not_there_is_not_made_up(tmp_path: Path) -> None:
    done = _torchx(f"unix://{tmp_path}/nothing", "describe", "local_docker://test/job-1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "can't be described: no Docker engine answers" in done.stderr


def test_the_log_of_a_job_whose_engine_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = _torchx(f"unix://{tmp_path}/nothing", "log", "local_docker://test/job-1")
    assert done.returncode == 1
    assert "no Docker engine answers" in done.stderr.splitlines()[0]


def test_a_context_that_does_not_exist_is_named(tmp_path: Path) -> None:
    done = _torchx(None, "list", "-s", "local_docker", DOCKER_CONTEXT="nowhere", DOCKER_CONFIG=str(tmp_path))
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: there is no Docker context `nowhere`")


def test_a_dry_run_needs_no_engine(tmp_path: Path) -> None:
    done = _torchx(
        f"unix://{tmp_path}/nothing", "run", "-s", "local_docker", "--workspace", "", "--dryrun", "utils.echo"
    )
    assert done.returncode == 0, done.stderr
    assert "torchx.pytorch.org/app-id" in done.stdout


def _torchx(host: str | None, *args: str, user: int | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    plain = {k: v for k, v in os.environ.items() if k not in ("DOCKER_HOST", "DOCKER_CONTEXT")}
    command = [sys.executable, "-m", "torchx", *args]
    where = {"DOCKER_HOST": host} if host else {}
    return subprocess.run(
        command, env={**plain, **where, **env}, user=user, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
