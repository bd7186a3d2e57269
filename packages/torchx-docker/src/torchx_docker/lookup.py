"""The replicas of jobs, as an engine has them now: one call, whatever their number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchx.errors import UsageError, nearest
from torchx_docker.replica import by_app
from torchx_docker.request import LABEL_APP_ID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchx_docker.client import Engine
    from torchx_docker.replica import Replica

_OURS = [LABEL_APP_ID]


def all_replicas(engine: Engine) -> dict[str, list[Replica]]:
    """The replicas of all jobs, by job."""
    return by_app(engine.containers(_OURS))


def replicas_of(engine: Engine, app_id: str) -> list[Replica]:
    """The replicas of a job, in the order of its roles; none where there is no such job."""
    return by_app(engine.containers(_OURS, f"^/?{re.escape(app_id)}[.-]")).get(app_id, [])


def find_replica(replicas: Iterable[Replica], app_id: str, role_name: str, k: int) -> Replica:
    """A replica of a job by its role and number.

    Raises:
        UsageError: there is no such job, role or replica.
    """
    replicas = list(replicas)
    if not replicas:
        raise UsageError(f"there is no job `{app_id}`", hint="`torchx list -s local_docker` shows what there is")
    own = [r for r in replicas if r.role == role_name]
    if not own:
        names = sorted({r.role for r in replicas})
        raise UsageError(
            f"`{app_id}` has no role `{role_name}`", hint=nearest(role_name, names) or f"its roles: {', '.join(names)}"
        )
    for replica in own:
        if replica.k == k:
            return replica
    raise UsageError(f"role `{role_name}` of `{app_id}` has no replica {k}", hint=f"it has {len(own)}, from 0")
