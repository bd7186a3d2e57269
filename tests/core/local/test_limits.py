"""What the system lets a job have: replicas, and a port to meet at."""

from __future__ import annotations

import resource
import socket
import time

import pytest

from tests.core.local.kit import Jobs, role, shell
from torchx.errors import UsageError
from torchx.schedulers._local import limits


def test_more_replicas_than_possible_are_refused_at_once(jobs: Jobs) -> None:
    most = limits.most_replicas()
    begin = time.monotonic()
    with pytest.raises(
        UsageError, match=f"the job has 300000000 replicas; on this machine {most} are possible"
    ) as error:
        jobs.submit(role("true", num_replicas=300_000_000))
    assert time.monotonic() - begin < 5
    assert "ulimit -Hn" in str(error.value.hint)


def test_the_most_replicas_follow_from_the_hard_limit_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert limits.most_replicas() == (4096 - 64) // 8


def test_replicas_of_a_job_have_one_port_and_other_jobs_others(jobs: Jobs) -> None:
    code = "echo $TORCHX_RANK0_PORT"
    first, second = (jobs.submit(shell(code, num_replicas=2)) for _ in range(2))
    for app_id in (first, second):
        jobs.wait(app_id)
    ports = [[int(jobs.lines(app_id, k=k)[0]) for k in (0, 1)] for app_id in (first, second)]
    assert ports[0][0] == ports[0][1] != ports[1][0] == ports[1][1]


def test_the_port_that_a_role_sets_wins(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_RANK0_PORT", "1")  # of a job around this one: not of this one
    inherited = jobs.submit(shell("echo $TORCHX_RANK0_PORT"))
    own = jobs.submit(shell("echo $TORCHX_RANK0_PORT", env={"TORCHX_RANK0_PORT": "77"}))
    for app_id in (inherited, own):
        jobs.wait(app_id)
    assert jobs.lines(inherited) != ["1\n"]
    assert jobs.lines(own) == ["77\n"]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_a_port_in_use_is_not_chosen(family: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(family) as taken:
        taken.bind(("", 0))
        taken.listen()
        number = taken.getsockname()[1]
        monkeypatch.setattr(limits, "_PORTS", range(number, number + 2))
        assert {limits.free_port() for _ in range(8)} <= {number + 1}
