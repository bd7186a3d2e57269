"""What the records of a local job say about its replicas."""

from __future__ import annotations

import os

from torchx.schedulers._local.files import STDERR_LOG
from torchx.specs.api import NONE, AppState, ReplicaStatus, RoleStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def may_restart(request: Mapping[str, Any], role: Mapping[str, Any]) -> bool:
    """Whether a replica of a role may run again after it has ended well."""
    if role["max_retries"] > 0 and role["retry_policy"] == "ROLE":
        return True
    return any(r["max_retries"] > 0 and r["retry_policy"] == "APPLICATION" for r in request["roles"])


def role_statuses(request: Mapping[str, Any], state: Mapping[str, Any]) -> list[RoleStatus]:
    """The status of every role, with the replicas' own errors.

    Args:
        request: what was submitted.
        state: what has become of it.
    """
    statuses = {role["name"]: RoleStatus(role["name"], []) for role in request["roles"]}
    specs = {(role["name"], k): spec for role in request["roles"] for k, spec in enumerate(role["replicas"])}
    for replica in state["replicas"]:
        statuses[replica["role"]].replicas.append(
            ReplicaStatus(
                id=replica["id"],
                state=AppState[replica["state"]],
                role=replica["role"],
                hostname="localhost",
                structured_error_msg=_error_of(replica, specs[replica["role"], replica["id"]]),
            )
        )
    return [*statuses.values()]


def _error_of(replica: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    if replica["state"] != "FAILED":
        return NONE
    from torchx.schedulers.error_files import read_error

    return read_error(spec["error_file"], os.path.join(spec["log_dir"], STDERR_LOG))
