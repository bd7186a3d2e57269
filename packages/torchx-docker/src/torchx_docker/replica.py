"""What the engine's summary of a container says about a replica. Pure."""

from __future__ import annotations

import functools
import json
import re

from torchx.specs.api import AppState, RetryPolicy
from torchx.util.light_dataclass import dataclass
from torchx_docker.names import Marks, read_marks
from torchx_docker.request import (
    LABEL_APP_ID,
    LABEL_CANCELLED,
    LABEL_REPLICA_ID,
    LABEL_ROLE,
    LABEL_ROLE_INDEX,
    LABEL_ROLE_NAME,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Any

STATES: Mapping[str, AppState] = {
    "created": AppState.SUBMITTED,
    "restarting": AppState.PENDING,
    "running": AppState.RUNNING,
    "paused": AppState.RUNNING,
    "exited": AppState.FAILED,  # or SUCCEEDED: the exit code tells
    "dead": AppState.FAILED,
}
"""States of containers; what is not in here (``removing``) is UNKNOWN."""


KEPT = (RetryPolicy.APPLICATION.value, RetryPolicy.ROLE.value)
"""Policies by which several replicas are started again together."""

_NUMBER = re.compile(r"[0-9]{1,9}")
_EXIT = re.compile(r"Exited \((-?\d+)\)(.*)")


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One container as its summary shows it.

    Attributes:
        container: its id.
        name: its name without marks.
        full_name: its name with them, as it was when the engine told.
        marks: what is written behind its name.
        job_cancelled: there is a record of its job's cancellation.
        app_id, role_index, role, k: whose it is.
        docker_state: the engine's word.
        exit_code: of its last run; None while it has not ended.
        ended_lately: it has ended in the last minute.
        address: its address in the job's network; empty while it has none.
        labels: all its labels.
    """

    container: str
    name: str
    full_name: str
    marks: Marks
    job_cancelled: bool
    app_id: str
    role_index: int
    role: str
    k: int
    docker_state: str
    exit_code: int | None
    ended_lately: bool
    address: str
    labels: Mapping[str, str]

    @property
    def ended(self) -> bool:
        """Its process has ended, or will never begin."""
        return self.docker_state in ("exited", "dead") or (self.docker_state == "created" and self.called_off)

    @property
    def runs(self) -> bool:
        """It has a process, or will soon have one again."""
        return self.docker_state in ("running", "paused", "restarting")

    @property
    def unfinished(self) -> bool:
        """It has a process, or may have one again, as far as it can tell without the other replicas."""
        if self.docker_state not in ("exited", "dead") or self.marks.retrying:
            return True
        again = self.spec.get("retry_policy") in KEPT and self.marks.retries < self.retries
        return again and self.exit_code != 0 and not self.marks.stopped

    @property
    def cancelled(self) -> bool:
        """A user has cancelled it."""
        return self.marks.cancelled or (self.job_cancelled and self.unfinished)

    @property
    def called_off(self) -> bool:
        """Somebody has ended it, or is about to."""
        return self.cancelled or self.marks.stopped

    @property
    def state(self) -> AppState:
        """Its state as a replica."""
        # Also while it is being ended: what a user has cancelled never reads RUNNING again.
        if self.cancelled or (self.ended and self.called_off):
            return AppState.CANCELLED
        if self.docker_state == "exited" and self.exit_code == 0:
            return AppState.SUCCEEDED
        return STATES.get(self.docker_state, AppState.UNKNOWN)

    @property
    def failed(self) -> bool:
        """It has ended badly, and not because somebody ended it."""
        return self.state is AppState.FAILED

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its role as `torchx_docker.request.labelled_role` wrote it; empty where a tool of another kind made it."""
        spec = read_label(self.labels, LABEL_ROLE)
        counts = (spec.get("max_retries", 0), spec.get("num_replicas", 1))
        return spec if all(isinstance(count, int) for count in counts) else {}

    @property
    def retries(self) -> int:
        """How often it may be started again, by whomever."""
        return int(self.spec.get("max_retries", 0))


def read_label(labels: Mapping[str, str], name: str) -> Mapping[str, Any]:
    """A label that is a JSON object; empty where it is none: anybody can label containers."""
    return _read_object(labels.get(name) or "{}")


@functools.lru_cache(maxsize=64)  # the replicas of a role have the same
def _read_object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def replica_of(summary: Mapping[str, Any], cancelled: Collection[str] = ()) -> Replica | None:
    """A replica from one element of ``GET /containers/json``; None where the container is none of a job's.

    Args:
        summary: the element.
        cancelled: jobs that have been cancelled.
    """
    labels = summary.get("Labels") or {}
    app_id, role = labels.get(LABEL_APP_ID), labels.get(LABEL_ROLE_NAME)
    index, k = labels.get(LABEL_ROLE_INDEX, "0"), labels.get(LABEL_REPLICA_ID, "")
    if not app_id or role is None or not (_NUMBER.fullmatch(index) and _NUMBER.fullmatch(k)):
        return None
    names = [name.lstrip("/") for name in summary.get("Names") or [] if "/" not in name.lstrip("/")]
    full_name = names[0] if names else ""
    name, marks = read_marks(full_name)
    ended = _EXIT.match(summary.get("Status") or "")
    networks = (summary.get("NetworkSettings") or {}).get("Networks") or {}
    return Replica(
        container=summary["Id"],
        name=name,
        full_name=full_name,
        marks=marks,
        job_cancelled=app_id in cancelled,
        app_id=app_id,
        role_index=int(index),
        role=role,
        k=int(k),
        docker_state=summary.get("State") or "",
        exit_code=int(ended[1]) if ended else None,
        # "Less than a second ago", "59 seconds ago"; later it is minutes, hours, ...
        ended_lately=bool(ended and "second" in ended[2]),
        address=next((n.get("IPAddress") or "" for n in networks.values()), ""),
        labels=labels,
    )


def by_app(summaries: Iterable[Mapping[str, Any]]) -> dict[str, list[Replica]]:
    """All replicas, by job; those of a job in the order of their roles."""
    summaries = list(summaries)
    records = [summary.get("Labels") or {} for summary in summaries]
    cancelled = {labels[LABEL_CANCELLED] for labels in records if LABEL_CANCELLED in labels}
    apps: dict[str, list[Replica]] = {}
    for summary in summaries:
        replica = replica_of(summary, cancelled)
        if replica is not None:
            apps.setdefault(replica.app_id, []).append(replica)
    for replicas in apps.values():
        replicas.sort(key=lambda r: (r.role_index, r.k))
    return apps


def keeps_retrying(replica: Replica, replicas: Iterable[Replica]) -> bool:
    """Whether a failed replica is to be started again together with others, by the job's keeper."""
    return kept(replica, replicas) and replica.marks.retries < replica.retries


def kept(replica: Replica, replicas: Iterable[Replica]) -> bool:
    """Whether it is the keeper, not the engine, that starts a replica's role again."""
    spec = replica.spec
    if spec.get("max_retries", 0) <= 0:
        return False
    policy = spec.get("retry_policy")
    if policy == RetryPolicy.APPLICATION.value:
        return any(other.container != replica.container for other in replicas)
    return policy == RetryPolicy.ROLE.value and spec.get("num_replicas", 1) > 1
