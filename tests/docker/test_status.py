"""What the engine's summaries say about a job, and what is to be done about it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from torchx.specs import AppDef, AppState, RetryPolicy, Role
from torchx_docker.details import Details, worth_explaining
from torchx_docker.replica import Replica, by_app, replica_of
from torchx_docker.request import build_request
from torchx_docker.retries import Plan, may_run_again, next_step
from torchx_docker.status import app_state, described, reason

S, F, C = AppState.SUCCEEDED, AppState.FAILED, AppState.CANCELLED
OUTSIDE = "ended from outside, as by `docker stop`, or with an engine that was stopped and has no live-restore"
NOW, LONG_AGO = "3 seconds ago", "2 minutes ago"


def job(*states: str, policy: str = "APPLICATION", max_retries: int = 0, roles: int = 1) -> list[Replica]:
    """Replicas in these states, ``"<state>[.<mark>]"`` or ``"<exit code>[.<mark>][ <when>]"``, in order."""
    return by_app(summaries(*states, policy=policy, max_retries=max_retries, roles=roles))["job-1"]


def summaries(*states: str, policy: str = "APPLICATION", max_retries: int = 0, roles: int = 1) -> list[dict[str, Any]]:
    """As the engine lists them."""
    each = len(states) // roles
    made = [
        Role(
            f"r{n}", "img", entrypoint="x", num_replicas=each, max_retries=max_retries, retry_policy=RetryPolicy(policy)
        )
        for n in range(roles)
    ]
    request = build_request(AppDef("job", made), {}, app_id="job-1", version="1")
    return [summary(c, state) for c, state in zip(request["containers"], states, strict=True)]


def summary(container: dict[str, Any], state: str) -> dict[str, Any]:
    what, _, when = state.partition(" ")
    what, *marks = what.split(".")
    suffix = "".join(f".{mark}" for mark in marks)
    exited = what.lstrip("-").isdigit()
    return {
        "Id": container["name"],
        "Names": [f"/{container['name']}{suffix}"],
        "State": "exited" if exited else what,
        "Status": f"Exited ({what}) {when or NOW}" if exited else "Up 3 seconds",
        "Labels": container["config"]["Labels"],
        "NetworkSettings": {"Networks": {"torchx": {"IPAddress": "10.0.0.2"}}},
    }


@pytest.mark.parametrize(
    ("replicas", "state"),
    [
        (job("created", "created"), AppState.SUBMITTED),
        (job("created", "running"), AppState.RUNNING),
        (job("running"), AppState.RUNNING),
        (job("paused"), AppState.RUNNING),
        (job("restarting", "0"), AppState.RUNNING),
        (job("0", "0"), S),
        (job("0", "3"), F),
        (job("3", "running"), AppState.RUNNING),
        (job("dead"), F),
        (job("removing"), AppState.UNKNOWN),
        (job("something new"), AppState.UNKNOWN),
        (job("143.cancelled", "0"), C),
        (job("0.cancelled"), C),
        (job("created.cancelled"), C),
        (job("running.cancelled"), C),
        (job("restarting.cancelled", "143.cancelled"), C),
        (job("3", "143.cancelled"), C),
        (job("3", "143.stopped"), F),
        (job("3", "143.stopped", max_retries=1), AppState.RUNNING),
        (job(f"3 {LONG_AGO}", f"143 {LONG_AGO}", max_retries=1), F),
        (job("3.retry1", "143.retry1", max_retries=1), F),
        (job("3.retrying1", "143.retrying1", max_retries=1), AppState.RUNNING),
        (job(f"3.retrying1 {LONG_AGO}", f"143.retrying1 {LONG_AGO}", max_retries=1), F),
        (job("3", max_retries=1), F),
    ],
)
def test_the_state_of_a_job(replicas: list[Replica], state: AppState) -> None:
    assert app_state(replicas) == state


@pytest.mark.parametrize(
    ("replicas", "restart", "stop", "over"),
    [
        ([], [], [], True),
        (job("running", "running"), [], [], False),
        (job("0", "running"), [], [], False),
        (job("0", "0"), [], [], True),
        (job("3", "running"), [], ["r0/1"], False),
        (job("3", "0"), [], [], True),
        (job("3", "143.stopped"), [], [], True),
        (job("running.cancelled", "running"), [], ["r0/0", "r0/1"], False),
        (job("143.cancelled", "143.cancelled", max_retries=9), [], [], True),
        (job("3", "running", max_retries=1), ["r0/0", "r0/1"], [], False),
        (job("3", "0", max_retries=1), ["r0/0", "r0/1"], [], False),
        (job("3.retry1", "running.retry1", max_retries=1), [], ["r0/1"], False),
        (job("3.retrying1", "running.retry1", max_retries=1), ["r0/0"], [], False),
        (job("3", "running", "running", "running", roles=2, max_retries=1, policy="ROLE"), ["r0/0", "r0/1"], [], False),
        (job("restarting", "running", max_retries=1, policy="REPLICA"), [], [], False),
        (job("3", "running", max_retries=1, policy="REPLICA"), [], ["r0/1"], False),
    ],
)
def test_the_next_step(replicas: list[Replica], restart: list[str], stop: list[str], over: bool) -> None:
    plan: Plan = next_step(replicas)
    assert [f"{r.role}/{r.k}" for r in plan.restart] == restart
    assert [f"{r.role}/{r.k}" for r in plan.stop] == stop
    assert plan.over is over
    assert plan.attempt == (1 if restart else 0)


def test_a_replica_that_ended_well_may_run_again_with_the_others() -> None:
    assert may_run_again(job("0", "running", max_retries=1)[0], job("0", "running", max_retries=1))
    assert not may_run_again(job("0", "running")[0], job("0", "running"))
    replicas = job("0", "running", max_retries=1, policy="REPLICA")
    assert not may_run_again(replicas[0], replicas)


@pytest.mark.parametrize(
    ("code", "record", "told"),
    [
        ("3", {}, "exit code 3"),
        ("137", {}, f"exit code 137 (SIGKILL): {OUTSIDE}"),
        ("143", {}, f"exit code 143 (SIGTERM): {OUTSIDE}"),
        ("139", {}, "exit code 139 (SIGSEGV)"),
        ("127", {}, "exit code 127 (the program was not found)"),
        ("137", {"OOMKilled": True}, "out of memory: killed at its limit of 64 MB (exit code 137)"),
        ("128", {"Error": "no such\ndevice"}, "no such device (exit code 128)"),
        ("0", {"OOMKilled": True}, "<NONE>"),
    ],
    ids=["code", "kill", "stop", "signal", "program", "memory", "engine", "none"],
)
def test_the_reason_of_a_failure(code: str, record: dict[str, Any], told: str) -> None:
    assert reason(job(code)[0], {"State": record, "HostConfig": {"Memory": 64 * 1024 * 1024}}) == told


def test_a_job_is_described_as_it_was_submitted() -> None:
    found = described(
        "job-1", job("0", "3", max_retries=2, policy="REPLICA"), Details({}, {"job-1-r0-1": "its own error"})
    )
    (role,) = found.roles
    assert (role.name, role.image, role.entrypoint, role.num_replicas, role.max_retries) == ("r0", "img", "x", 2, 2)
    assert role.retry_policy is RetryPolicy.REPLICA
    assert found.name == "job"
    assert [r.structured_error_msg for r in found.roles_statuses[0].replicas] == ["<NONE>", "its own error"]
    assert found.msg == "r0/1 failed: exit code 3"
    assert found.structured_error_msg == "its own error"


@pytest.mark.parametrize(
    "labels",
    [
        None,
        {},
        {"torchx.pytorch.org/app-id": "a"},
        {"torchx.pytorch.org/app-id": "a", "torchx.pytorch.org/role-name": "r"},
    ],
    ids=["null", "none", "app", "no number"],
)
def test_containers_of_others_are_nobodys_replicas(labels: dict[str, str] | None) -> None:
    assert replica_of({"Id": "x", "Labels": labels}) is None


@pytest.mark.parametrize(
    "value", ["", "x", "[]", '"x"', "[" * 9999, '{"max_retries": "x"}', '{"resource": 3}', '{"a": {}}']
)
def test_labels_that_somebody_else_has_written_break_nothing(value: str) -> None:
    (found,) = job("3", max_retries=1)
    for label in ("role", "app-metadata"):
        odd = replace(found, labels={**found.labels, f"torchx.pytorch.org/{label}": value})
        assert described("job-1", [odd, *job("running")], Details({}, {})).state is AppState.RUNNING
        assert next_step([odd]).over
        assert replica_of({"Id": "x", "Labels": {**odd.labels, "torchx.pytorch.org/replica-id": "9" * 5000}}) is None


def test_a_container_that_an_older_tool_made_has_a_state() -> None:
    labels = {"app-id": "a", "role-name": "r", "replica-id": "0", "role": "no json"}
    found = replica_of(
        {"Id": "x", "Labels": {f"torchx.pytorch.org/{k}": v for k, v in labels.items()}, "State": "running"}
    )
    assert found is not None
    assert found.state is AppState.RUNNING
    assert found.spec == {}
    assert described("a", [found], Details({}, {})).roles == []
    assert json.dumps(found.spec) == "{}"


def test_a_few_failed_replicas_are_explained_those_that_were_killed_first() -> None:
    replicas = job(*(["1"] * 40), "137", "0", "running")
    assert [r.k for r in worth_explaining(replicas)] == [40, 0, 1]
    assert (
        described("job-1", replicas, Details({}, {})).msg
        == f"r0/40 failed: exit code 137 (SIGKILL): {OUTSIDE}, and 40 more"
    )


CANCELLED = {"Id": "x", "Labels": {"torchx.pytorch.org/version": "1", "torchx.pytorch.org/cancelled": "job-1"}}


@pytest.mark.parametrize(
    ("states", "fields", "state", "cancelled"),
    [
        (["running", "created"], {}, C, [True, True]),
        (["3", "running"], {}, C, [False, True]),
        (["0", "0"], {}, S, [False, False]),
        (["3", "143.stopped"], {}, F, [False, False]),
        (["3", "143"], {"max_retries": 1}, C, [True, True]),
        (["3.retrying1", "running.retry1"], {"max_retries": 1}, C, [True, True]),
        (["3.retry1", "0.retry1"], {"max_retries": 1}, F, [False, False]),
        (["restarting", "0"], {"max_retries": 1, "policy": "REPLICA"}, C, [True, False]),
    ],
    ids=["running", "one failed", "succeeded", "failed", "between runs", "restarting", "no retries left", "engine"],
)
def test_the_record_of_a_cancellation_says_so_of_all_that_may_still_run(
    states: list[str], fields: dict[str, Any], state: AppState, cancelled: list[bool]
) -> None:
    replicas = by_app([CANCELLED, *summaries(*states, **fields)])["job-1"]
    assert app_state(replicas) == state
    assert [r.cancelled for r in replicas] == cancelled
    assert not next_step(replicas).restart
