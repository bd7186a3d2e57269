"""What follows when a replica fails: by a table, and by processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.local.kit import Jobs, shell, until
from torchx.schedulers._local.retries import END, GO_ON, RETRY, retry_decision
from torchx.specs import AppState

NONE_USED = {"APPLICATION": 0, "ROLE": 0, "REPLICA": 0}


@pytest.mark.parametrize(
    ("policy", "used", "limit", "left", "least", "decision"),
    [
        ("APPLICATION", NONE_USED, 0, 1, None, END),
        ("APPLICATION", NONE_USED, 1, 1, None, RETRY),
        ("APPLICATION", {**NONE_USED, "APPLICATION": 1}, 1, 1, None, END),
        ("APPLICATION", {**NONE_USED, "REPLICA": 5, "ROLE": 5}, 1, 1, None, RETRY),
        ("ROLE", {**NONE_USED, "ROLE": 2}, 2, 1, None, END),
        ("ROLE", {**NONE_USED, "APPLICATION": 2}, 2, 1, None, RETRY),
        ("REPLICA", {**NONE_USED, "REPLICA": 2}, 3, 1, None, RETRY),
        ("REPLICA", {**NONE_USED, "REPLICA": 3}, 3, 1, None, END),
        ("APPLICATION", NONE_USED, 0, 1, 1, GO_ON),
        ("APPLICATION", NONE_USED, 0, 1, 2, END),
        ("APPLICATION", NONE_USED, 1, 1, 1, RETRY),
        ("REPLICA", NONE_USED, 0, 0, 0, END),
    ],
)
def test_decision(policy: str, used: dict[str, int], limit: int, left: int, least: int | None, decision: str) -> None:
    assert retry_decision(policy, used, limit, left=left, least=least) == decision


def test_a_job_goes_on_while_enough_replicas_are_left(jobs: Jobs) -> None:
    code = "[ ${replica_id} = 1 ] && exit 3; while [ ! -e go ]; do sleep 0.01; done; echo done"
    app_id = jobs.submit(shell(code, num_replicas=3, min_replicas=2), shell("touch v; sleep 0.1", name="v"))
    until(lambda: "w/1" in jobs.state(app_id).msg)
    described = jobs.state(app_id)
    assert (described.state, described.msg) == (
        AppState.RUNNING,
        "the job goes on without some: replica w/1 exited with code 3",
    )
    open("go", "w").close()
    described = jobs.wait(app_id)
    assert described.state is AppState.SUCCEEDED
    states = [replica.state.name for replica in described.roles_statuses[0].replicas]
    assert states == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert jobs.lines(app_id, k=2) == ["done\n"]


def test_a_job_ends_when_too_few_replicas_are_left(jobs: Jobs) -> None:
    code = "[ ${replica_id} = 0 ] && sleep 1000; while [ ! -e go${replica_id} ]; do sleep 0.01; done; exit 4"
    app_id = jobs.submit(shell(code, num_replicas=3, min_replicas=2))
    open("go2", "w").close()
    until(lambda: "w/2" in jobs.state(app_id).msg)
    assert jobs.state(app_id).state is AppState.RUNNING
    open("go1", "w").close()
    described = jobs.wait(app_id)
    assert (described.state, described.msg) == (AppState.FAILED, "replica w/1 exited with code 4")
    states = [replica.state.name for replica in described.roles_statuses[0].replicas]
    assert states == ["CANCELLED", "FAILED", "FAILED"]


def test_a_replica_is_given_up_only_when_its_retries_are_used_up(jobs: Jobs) -> None:
    from torchx.specs import RetryPolicy

    code = "echo run; [ ${replica_id} = 1 ] && exit 3; while [ ! -e go ]; do sleep 0.01; done"
    app_id = jobs.submit(shell(code, num_replicas=2, min_replicas=1, max_retries=2, retry_policy=RetryPolicy.REPLICA))
    until(lambda: "w/1" in jobs.state(app_id).msg)
    open("go", "w").close()
    assert jobs.wait(app_id).state is AppState.SUCCEEDED
    assert [len(jobs.lines(app_id, k=k)) for k in (0, 1)] == [1, 3]


@pytest.mark.parametrize("retries", [0, 1], ids=["given up", "restarted"])
def test_nothing_in_the_background_of_a_failed_replica_is_left(jobs: Jobs, retries: int) -> None:
    code = """
        if [ ${replica_id} = 0 ]; then while [ ! -e go ]; do sleep 0.01; done; exit 0; fi
        [ -e again ] && while [ ! -e go ]; do sleep 0.01; done && exit 0
        touch again; setsid sh -c 'echo up; sleep 1000' & while ! grep -q up log; do sleep 0.01; done; kill -9 $$"""
    code = code.replace("echo up", "echo up >> log")
    open("log", "w").close()
    from torchx.specs import RetryPolicy

    role = shell(code, num_replicas=2, min_replicas=1, max_retries=retries, retry_policy=RetryPolicy.REPLICA)
    app_id = jobs.submit(role)
    until(lambda: jobs.state(app_id).num_restarts if retries else "w/1" in jobs.state(app_id).msg)
    until(lambda: not any(_command(pid) == "sleep\0001000\0" for pid in jobs.processes(app_id)), timeout=5)
    open("go", "w").close()
    assert jobs.wait(app_id).state is AppState.SUCCEEDED


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
