"""What schedulers need for a job's replicas: each by itself on the way out, all as one job on the way back."""

from __future__ import annotations

from collections import namedtuple

from torchx.errors import UsageError
from torchx.schedulers.api import DescribeAppResponse
from torchx.specs.api import AppState, Role, RoleStatus, macros

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NamedTuple

    from torchx.specs.api import AppDef, ReplicaStatus

    class Replica(NamedTuple):
        """One replica of a job.

        Attributes:
            role: a copy of its role, in which the macros are replaced.
            id: its index in the role, from 0.
            values: what the macros stand for in it; ``OverlaySpec.apply`` takes them.
        """

        role: Role
        id: int
        values: macros.Values

else:
    Replica = namedtuple("Replica", "role id values")

PRECEDENCE = (
    AppState.RUNNING,
    AppState.PENDING,
    AppState.SUBMITTED,
    AppState.UNSUBMITTED,
    AppState.UNKNOWN,
    AppState.FAILED,
    AppState.CANCELLED,
    AppState.SUCCEEDED,
)
"""A job has the first of these states that one of its replicas has: it has ended when all of them have."""


def each_replica(
    app: AppDef, app_id: str, *, img_root: str = "", rank0_env: str = "TORCHX_RANK0_HOST"
) -> Iterator[Replica]:
    """The replicas of a job, role by role.

    Args:
        app: the job; it is not changed.
        app_id: its id.
        img_root: where a replica finds its image's content.
        rank0_env: name of the environment variable that has the host of replica 0; the scheduler sets it.
    """
    for role in app.roles:
        for k in range(role.num_replicas):
            values = macros.Values(img_root=img_root, app_id=app_id, replica_id=str(k), rank0_env=rank0_env)
            yield Replica(values.apply(role), k, values)


def job_state(states: Iterable[AppState]) -> AppState:
    """The state of a job from those of its replicas; ``UNKNOWN`` where there are none. See ``PRECEDENCE``."""
    found = {*states}
    return next((state for state in PRECEDENCE if state in found), AppState.UNKNOWN)


def describe_replicas(app_id: str, replicas: Iterable[ReplicaStatus]) -> DescribeAppResponse:
    """The answer to ``Scheduler.describe`` from what is known of each replica.

    Args:
        app_id: the job.
        replicas: its replicas, those of one role in their order.
    """
    statuses: dict[str, RoleStatus] = {}
    for replica in replicas:
        statuses.setdefault(replica.role, RoleStatus(replica.role, [])).replicas.append(replica)
    return DescribeAppResponse(
        app_id,
        job_state(replica.state for role in statuses.values() for replica in role.replicas),
        roles_statuses=[*statuses.values()],
        roles=[Role(name, image="", num_replicas=len(role.replicas)) for name, role in statuses.items()],
    )


def replica_number(described: DescribeAppResponse | None, role_name: str, k: int) -> int:
    """The place of one replica among all of its job, from 0, in the order of :func:`describe_replicas`.

    Args:
        described: what is known of the job; None where nothing is.
        role_name: the replica's role.
        k: its index in the role.

    Raises:
        UsageError: the job has no such replica; tells which it has.
    """
    roles = described.roles_statuses if described else []
    names = [(replica.role, replica.id) for role in roles for replica in role.replicas]
    if (role_name, k) not in names:
        job = f"`{described.app_id}`" if described else "a job that does not exist"
        known = ", ".join(f"{role.role}/{role.replicas[0].id}...{role.replicas[-1].id}" for role in roles)
        raise UsageError(f"there is no replica {role_name}/{k} of {job}", hint=f"it has {known}" if known else None)
    return names.index((role_name, k))
