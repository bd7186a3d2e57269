"""What follows when a replica has failed by itself: a pure decision, apart from the processes that it is about."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

RETRY = "RETRY"
"""Start again what the role's policy says."""

GO_ON = "GO_ON"
"""Leave the replica as it is; the others go on."""

END = "END"
"""The job has failed."""


def retry_decision(policy: str, used: Mapping[str, int], limit: int, *, left: int, least: int | None) -> str:
    """``RETRY``, ``GO_ON`` or ``END``.

    Args:
        policy: ``APPLICATION``, ``ROLE`` or ``REPLICA``: what is started again, and so whose restarts count.
        used: policy to the restarts so far of the job, the failed replica's role and the replica itself.
        limit: the role's ``max_retries``.
        left: how many replicas of the role have not failed.
        least: the role's ``min_replicas``; None: it needs all of them.
    """
    if used[policy] < limit:
        return RETRY
    return GO_ON if least is not None and left >= max(least, 1) else END
