"""What the replicas of a job say about it. Pure."""

from __future__ import annotations

from torchx.schedulers.api import DescribeAppResponse
from torchx.schedulers.role_records import role_from_record
from torchx.specs.api import NONE, AppState, ReplicaStatus, Role, RoleStatus, is_terminal
from torchx_docker.details import worth_explaining
from torchx_docker.replica import keeps_retrying, read_label
from torchx_docker.request import LABEL_APP_NAME, LABEL_METADATA, MB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torchx_docker.details import Details
    from torchx_docker.replica import Replica

# Those from 129 on are signals, 126 and 127 what shells and container engines say.
_MEANINGS = {126: "the program can't be run", 127: "the program was not found",
            129: "SIGHUP", 130: "SIGINT", 132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 137: "SIGKILL",
            139: "SIGSEGV", 141: "SIGPIPE", 143: "SIGTERM"}  # fmt: skip

_OUTSIDE = "as by `docker stop`, or with an engine that was stopped and has no live-restore"


def app_state(replicas: list[Replica]) -> AppState:
    """The state of a job with these replicas."""
    states = {replica.state for replica in replicas}
    if all(is_terminal(state) for state in states):
        if AppState.FAILED in states:
            if any(r.cancelled for r in replicas):
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
    if code in (137, 143):
        return f"exit code {code} ({_MEANINGS[code]}): ended from outside, {_OUTSIDE}"
    meaning = _MEANINGS.get(code) if isinstance(code, int) else None
    return f"exit code {code} ({meaning})" if meaning else f"exit code {code}"


def described(app_id: str, replicas: list[Replica], details: Details) -> DescribeAppResponse:
    """What is known of a job.

    Args:
        app_id: the job.
        replicas: its replicas, at least one.
        details: what was asked about single ones.
    """
    told = {
        r.container: details.errors.get(r.container) or reason(r, details.records.get(r.container)) for r in replicas
    }
    roles: dict[str, RoleStatus] = {}
    for replica in replicas:
        status = ReplicaStatus(
            id=replica.k,
            state=replica.state,
            role=replica.role,
            hostname=replica.name,
            structured_error_msg=told[replica.container],
            hostaddr=replica.address or None,
        )
        roles.setdefault(replica.role, RoleStatus(replica.role, [])).replicas.append(status)
    first = next(iter(worth_explaining(replicas)), None)
    return DescribeAppResponse(
        app_id=app_id,
        state=app_state(replicas),
        num_restarts=_restarts(replicas, details.records),
        msg=_message(replicas, details.records),
        structured_error_msg=told[first.container] if first else NONE,
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
        first = worth_explaining(replicas)[0]
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        return f"{first.role}/{first.k} failed: {reason(first, details.get(first.container))}{more}"
    return "cancelled" if any(r.cancelled for r in replicas) else ""


def _metadata(replica: Replica) -> dict[str, str]:
    return {str(key): str(value) for key, value in read_label(replica.labels, LABEL_METADATA).items()}


def _roles(replicas: list[Replica]) -> list[Role]:
    roles: dict[str, Role] = {}
    for replica in replicas:
        if replica.role not in roles and (role := _role(replica)) is not None:
            roles[replica.role] = role
    return list(roles.values())


def _role(replica: Replica) -> Role | None:
    spec = dict(replica.spec)
    try:
        retries = {"max_retries": spec.pop("max_retries"), "retry_policy": spec.pop("retry_policy")}
        return role_from_record({"name": replica.role, **retries, "spec": spec})
    except (KeyError, TypeError, ValueError):  # another version's, or somebody's who meant something else
        return None
