"""What is to be done about a job's replicas when one of them has failed. Pure; the job's keeper does it."""

from __future__ import annotations

from torchx.specs.api import RetryPolicy
from torchx.util.light_dataclass import dataclass
from torchx_docker.replica import keeps_retrying, kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchx_docker.replica import Replica


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The next step.

    Attributes:
        restart: replicas to start again, together.
        attempt: for which time.
        stop: replicas to end, because a replica has failed for good or a user has cancelled the job.
        over: nothing will have to be done any more.
    """

    restart: tuple[Replica, ...] = ()
    attempt: int = 0
    stop: tuple[Replica, ...] = ()
    over: bool = False


def next_step(replicas: Sequence[Replica]) -> Plan:
    """What to do now.

    Args:
        replicas: all that are left of the job.
    """
    if not replicas:
        return Plan(over=True)
    alive = tuple(r for r in replicas if not r.ended)
    if any(r.cancelled for r in replicas):
        return Plan(stop=alive, over=not alive)
    interrupted = tuple(r for r in replicas if r.marks.retrying)
    if interrupted:
        return Plan(restart=interrupted, attempt=max(r.marks.retries for r in interrupted))
    failed = [r for r in replicas if r.failed]
    if not failed:
        return Plan(over=not alive)
    final = [r for r in failed if not keeps_retrying(r, replicas)]
    if final:
        return Plan(stop=alive, over=not alive)
    scope = _scope(failed[0], replicas)
    return Plan(restart=scope, attempt=1 + max(r.marks.retries for r in scope))


def needs_keeper(replicas: Sequence[Replica]) -> bool:
    """Whether somebody has to watch a job: a failure of one replica concerns others."""
    return len(replicas) > 1


def may_run_again(replica: Replica, replicas: Sequence[Replica]) -> bool:
    """Whether a replica that has ended, well or badly, may be started again before the job's end."""
    return any(kept(other, replicas) for other in replicas) or (replica.failed and keeps_retrying(replica, replicas))


def _scope(failed: Replica, replicas: Sequence[Replica]) -> tuple[Replica, ...]:
    if failed.spec.get("retry_policy") == RetryPolicy.ROLE.value:
        return tuple(r for r in replicas if r.role == failed.role)
    return tuple(replicas)
