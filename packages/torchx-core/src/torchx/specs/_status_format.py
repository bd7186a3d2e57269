"""A job's status as text, with the errors that its replicas reported."""

from __future__ import annotations

from torchx.specs._types import NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torchx.specs._status import AppStatus, ReplicaStatus, RoleStatus


def format_status(status: AppStatus, roles: Iterable[RoleStatus]) -> str:
    """The status of a job as lines of text, telling only the given roles.

    >>> from torchx.specs import AppState, AppStatus, ReplicaStatus, RoleStatus
    >>> print(AppStatus(AppState.RUNNING, roles=[RoleStatus("a", [ReplicaStatus(0, AppState.RUNNING, "a", "h1")])]))
    state:    RUNNING
    replicas:
      a/0  RUNNING  h1
    """
    roles = list(roles)
    lines = list(_facts(status))
    # The job's error is one of a replica's as a rule; it is not told twice.
    if not any(replica.structured_error_msg == status.structured_error_msg for r in roles for replica in r.replicas):
        lines += error_lines(status.structured_error_msg)
    replicas = [replica for role in roles for replica in role.replicas]
    if replicas:
        lines.append("replicas:")
        lines += _replica_lines(replicas)
    return "\n".join(lines)


def _facts(status: AppStatus) -> Iterator[str]:
    yield f"state:    {status.state}"
    if status.num_restarts > 0:
        yield f"restarts: {status.num_restarts}"
    if status.msg and status.msg != NONE:
        yield f"message:  {_indent_rest(status.msg, 10)}"
    if status.ui_url:
        yield f"url:      {status.ui_url}"


def _replica_lines(replicas: list[ReplicaStatus]) -> Iterator[str]:
    names = [f"{replica.role}/{replica.id}" for replica in replicas]
    name_width = max(map(len, names))
    state_width = max(len(str(replica.state)) for replica in replicas)
    for name, replica in zip(names, replicas, strict=True):
        host = " ".join(filter(None, (replica.hostname, f"({replica.hostaddr})" if replica.hostaddr else "")))
        yield f"  {name:<{name_width}}  {replica.state:<{state_width}}  {host}".rstrip()
        for line in error_lines(replica.structured_error_msg):
            yield f"    {line}"


def error_lines(structured_error_msg: str) -> list[str]:
    """The error that a replica reported, as lines of text; none where it reported nothing.

    Args:
        structured_error_msg: the content of an error file of torchelastic (JSON), or plain text.
    """
    if not structured_error_msg or structured_error_msg == NONE:
        return []
    message, callstack = _read_error(structured_error_msg)
    lines = [f"error: {_indent_rest(message, 2)}"] if message else []
    return [*"\n".join(lines).splitlines(), *(f"  {line}" for line in callstack.splitlines())]


def _read_error(text: str) -> tuple[str, str]:
    """Message and call stack. torchelastic nests them: ``{"message": {"message": ..., "extraInfo": {...}}}``."""
    import json

    try:
        error = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip(), ""
    callstack = ""
    while isinstance(error, dict) and "message" in error:
        extra = error.get("extraInfo")
        if isinstance(extra, dict) and isinstance(extra.get("py_callstack"), str):
            callstack = extra["py_callstack"]
        error = error["message"]
    return error if isinstance(error, str) else text.strip(), callstack


def _indent_rest(text: str, width: int) -> str:
    return text.rstrip().replace("\n", "\n" + " " * width)
