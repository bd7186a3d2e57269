"""``local_docker`` on an engine as it comes, without live-restore: its containers end with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.docker.engine import engine_process
from tests.cluster.docker.host_image import host_image
from tests.cluster.docker.jobs import TIMEOUT, Docker, docker_jobs
from torchx.specs import AppState, RetryPolicy
from torchx.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.docker.engine import Client, EngineProcess

# The Docker SDK forgets to close a socket that could not be connected.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(scope="module")
def plain_docker(docker_clients: list[Client], tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    archive = tmp_path_factory.mktemp("image") / "tools.tar"
    archive.write_bytes(host_image())
    with engine_process(live_restore=False) as engine:
        docker_clients[0].run(engine.host, "import", str(archive), "tools:1").check_returncode()
        yield engine


@pytest.fixture
def jobs(plain_docker: EngineProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Docker]:
    monkeypatch.setenv("DOCKER_HOST", plain_docker.host)
    with docker_jobs("tools:1") as docker_:
        yield docker_


STOPS = pytest.mark.parametrize("stop", ["kill", "shut_down"])


@STOPS
@pytest.mark.parametrize("replicas", [1, 3])
def test_a_job_that_ends_with_its_engine_tells_so(
    jobs: Docker, plain_docker: EngineProcess, stop: str, replicas: int
) -> None:
    app_id = jobs.submit(jobs.role("echo begun; sleep 600", num_replicas=replicas))
    jobs.reach(app_id, AppState.RUNNING)
    getattr(plain_docker, stop)()
    assert jobs.describe(app_id).state == AppState.UNKNOWN
    plain_docker.start()
    described = jobs.end(app_id)
    assert described.state == AppState.FAILED
    assert "live-restore" in described.msg
    assert jobs.lines(app_id) == ["begun\n"]


@STOPS
@pytest.mark.parametrize("policy", ["APPLICATION", "REPLICA"])
def test_a_job_with_retries_goes_on_when_its_engine_is_back(
    jobs: Docker, plain_docker: EngineProcess, stop: str, policy: str
) -> None:
    code = "echo run; test -e /tmp/again && exit 0; touch /tmp/again; sleep 600"
    app_id = jobs.submit(jobs.role(code, num_replicas=2, max_retries=3, retry_policy=RetryPolicy(policy)))
    until(lambda: all(jobs.lines_so_far(app_id, k) == ["run\n"] for k in range(2)), TIMEOUT, "the start")
    getattr(plain_docker, stop)()
    plain_docker.start()
    assert jobs.end(app_id).state == AppState.SUCCEEDED
    assert [jobs.lines(app_id, k=k) for k in range(2)] == [["run\n"] * 2] * 2


@STOPS
def test_a_job_that_was_cancelled_before_its_engine_ended_stays_so(
    jobs: Docker, plain_docker: EngineProcess, stop: str
) -> None:
    role = jobs.role("sleep 600", num_replicas=2, max_retries=3, retry_policy=RetryPolicy.REPLICA)
    app_id = jobs.submit(role)
    jobs.scheduler.cancel(app_id)
    getattr(plain_docker, stop)()
    plain_docker.start()
    assert jobs.describe(app_id).state == AppState.CANCELLED
    assert not any(c["State"]["Running"] for c in jobs.containers(app_id))
