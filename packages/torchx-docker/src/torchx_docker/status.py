"""What the engine's summaries of containers say about replicas and jobs. Pure."""

from __future__ import annotations

import json
import re

from torchx.schedulers.api import DescribeAppResponse
from torchx.specs.api import NONE, AppState, ReplicaStatus, Resource, RetryPolicy, Role, RoleStatus, is_terminal
from torchx.util.light_dataclass import dataclass
from torchx_docker.names import Marks, read_marks
from torchx_docker.request import (
    LABEL_APP_ID,
    LABEL_APP_NAME,
    LABEL_METADATA,
    LABEL_REPLICA_ID,
    LABEL_ROLE,
    LABEL_ROLE_INDEX,
    LABEL_ROLE_NAME,
    MB,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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

_NUMBER = re.compile(r"[0-9]{1,9}")
_EXIT = re.compile(r"Exited \((-?\d+)\)(.*)")
# Those from 129 on are signals, 126 and 127 what shells and container engines say.
_MEANINGS = {126: "the program can't be run", 127: "the program was not found",
            129: "SIGHUP", 130: "SIGINT", 132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 137: "SIGKILL",
            139: "SIGSEGV", 141: "SIGPIPE", 143: "SIGTERM"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One container as its summary shows it.

    Attributes:
        container: its id.
        name: its name without marks.
        marks: what is written behind its name.
        app_id, role_index, role, k: whose it is.
        docker_state: the engine's word.
        exit_code: of its last run; None while it has not ended.
        ended_lately: it has ended in the last minute.
        address: its address in the job's network; empty while it has none.
        labels: all its labels.
    """

    container: str
    name: str
    marks: Marks
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
    def called_off(self) -> bool:
        """Somebody has ended it, or is about to."""
        return self.marks.cancelled or self.marks.stopped

    @property
    def state(self) -> AppState:
        """Its state as a replica."""
        # Also while it is being ended: what a user has cancelled never reads RUNNING again.
        if self.marks.cancelled or (self.ended and self.called_off):
            return AppState.CANCELLED
        if self.docker_state == "exited" and self.exit_code == 0:
            return AppState.SUCCEEDED
        return STATES.get(self.docker_state, AppState.UNKNOWN)

    @property
    def failed(self) -> bool:
        """It has ended badly, and not because somebody ended it."""
        return self.state is AppState.FAILED

    @property
    def spec(self) -> dict[str, Any]:
        """Its role as `torchx_docker.request.role_record` wrote it; empty where a tool of another kind made it."""
        spec = _read_label(self.labels, LABEL_ROLE)
        counts = (spec.get("max_retries", 0), spec.get("num_replicas", 1))
        return spec if all(isinstance(count, int) for count in counts) else {}

    @property
    def retries(self) -> int:
        """How often it may be started again, by whomever."""
        return int(self.spec.get("max_retries", 0))


def _read_label(labels: Mapping[str, str], name: str) -> dict[str, Any]:
    """A label that is a JSON object; empty where it is none: anybody can label containers."""
    try:
        value = json.loads(labels.get(name) or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def replica_of(summary: Mapping[str, Any]) -> Replica | None:
    """A replica from one element of ``GET /containers/json``; None where the container is none of a job's."""
    labels = summary.get("Labels") or {}
    app_id, role = labels.get(LABEL_APP_ID), labels.get(LABEL_ROLE_NAME)
    index, k = labels.get(LABEL_ROLE_INDEX, "0"), labels.get(LABEL_REPLICA_ID, "")
    if not app_id or role is None or not (_NUMBER.fullmatch(index) and _NUMBER.fullmatch(k)):
        return None
    names = [name.lstrip("/") for name in summary.get("Names") or [] if "/" not in name.lstrip("/")]
    name, marks = read_marks(names[0] if names else "")
    ended = _EXIT.match(summary.get("Status") or "")
    networks = (summary.get("NetworkSettings") or {}).get("Networks") or {}
    return Replica(
        container=summary["Id"],
        name=name,
        marks=marks,
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
    apps: dict[str, list[Replica]] = {}
    for summary in summaries:
        replica = replica_of(summary)
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


def app_state(replicas: list[Replica]) -> AppState:
    """The state of a job with these replicas."""
    states = {replica.state for replica in replicas}
    if all(is_terminal(state) for state in states):
        if AppState.FAILED in states:
            if any(r.marks.cancelled for r in replicas):
                return AppState.CANCELLED
            return AppState.RUNNING if any(_about_to_return(r, replicas) for r in replicas) else AppState.FAILED
        return AppState.CANCELLED if AppState.CANCELLED in states else AppState.SUCCEEDED
    if AppState.UNKNOWN in states:
        return AppState.UNKNOWN
    return AppState.SUBMITTED if states == {AppState.SUBMITTED} else AppState.RUNNING


def _about_to_return(replica: Replica, replicas: list[Replica]) -> bool:
    """Whether a failed replica will be started again. Where nobody does so for a minute, the keeper is gone."""
    return replica.failed and replica.ended_lately and (replica.marks.retrying or keeps_retrying(replica, replicas))


def reason(replica: Replica, details: Mapping[str, Any] | None = None) -> str:
    """Why a replica failed, in words; ``"<NONE>"`` where it did not.

    Args:
        replica: the replica.
        details: the engine's full record of its container, as far as it was asked for.
    """
    if not replica.failed:
        return NONE
    state = (details or {}).get("State") or {}
    code = replica.exit_code if replica.exit_code is not None else state.get("ExitCode")
    if state.get("OOMKilled"):
        limit = ((details or {}).get("HostConfig") or {}).get("Memory") or 0
        within = f" at its limit of {limit // MB} MB" if limit else ""
        return f"out of memory: killed{within} (exit code {code})"
    if state.get("Error"):
        return f"{' '.join(str(state['Error']).split())} (exit code {code})"
    meaning = _MEANINGS.get(code) if isinstance(code, int) else None
    return f"exit code {code} ({meaning})" if meaning else f"exit code {code}"


def described(
    app_id: str, replicas: list[Replica], details: Mapping[str, Mapping[str, Any]], errors: Mapping[str, str]
) -> DescribeAppResponse:
    """What is known of a job.

    Args:
        app_id: the job.
        replicas: its replicas, at least one.
        details: full records, by container id, of those that were asked for.
        errors: what failed replicas have reported themselves, by container id.
    """
    roles: dict[str, RoleStatus] = {}
    for replica in replicas:
        status = ReplicaStatus(
            id=replica.k,
            state=replica.state,
            role=replica.role,
            hostname=replica.name,
            structured_error_msg=errors.get(replica.container) or reason(replica, details.get(replica.container)),
            hostaddr=replica.address or None,
        )
        roles.setdefault(replica.role, RoleStatus(replica.role, [])).replicas.append(status)
    own_errors = [
        r.structured_error_msg for role in roles.values() for r in role.replicas if r.state == AppState.FAILED
    ]
    return DescribeAppResponse(
        app_id=app_id,
        state=app_state(replicas),
        num_restarts=_restarts(replicas, details),
        msg=_message(replicas, details),
        structured_error_msg=own_errors[0] if own_errors else NONE,
        metadata=_metadata(replicas[0]),
        roles_statuses=list(roles.values()),
        roles=_roles(replicas),
        name=replicas[0].labels.get(LABEL_APP_NAME, ""),
    )


def _restarts(replicas: list[Replica], details: Mapping[str, Mapping[str, Any]]) -> int:
    by_engine = sum(int(record.get("RestartCount") or 0) for record in details.values())
    return by_engine + max(replica.marks.retries for replica in replicas)


def _message(replicas: list[Replica], details: Mapping[str, Mapping[str, Any]]) -> str:
    failed = [r for r in replicas if r.failed]
    if failed:
        first = failed[0]
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        return f"{first.role}/{first.k} failed: {reason(first, details.get(first.container))}{more}"
    return "cancelled" if any(r.marks.cancelled for r in replicas) else ""


def _metadata(replica: Replica) -> dict[str, str]:
    return {str(key): str(value) for key, value in _read_label(replica.labels, LABEL_METADATA).items()}


def _roles(replicas: list[Replica]) -> list[Role]:
    roles: dict[str, Role] = {}
    for replica in replicas:
        if replica.role not in roles and (role := _role(replica)) is not None:
            roles[replica.role] = role
    return list(roles.values())


def _role(replica: Replica) -> Role | None:
    spec = dict(replica.spec)
    try:
        spec["resource"] = Resource(**spec["resource"])
        spec["retry_policy"] = RetryPolicy(spec["retry_policy"])
        return Role(name=replica.role, **spec)
    except (KeyError, TypeError, ValueError):  # another version's, or somebody's who meant something else
        return None
