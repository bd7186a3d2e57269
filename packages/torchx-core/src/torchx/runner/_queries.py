"""Questions about submitted jobs: many at once, row by row, replica by replica."""

from __future__ import annotations

from torchx.errors import TorchXError
from torchx.runner._options import resolve
from torchx.runner.events.recorder import note
from torchx.specs.api import AppState, make_app_handle, parse_app_handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torchx.runner._logs import Replica
    from torchx.runner._options import Cfg
    from torchx.runner._schedulers import SchedulerPool
    from torchx.schedulers.api import DescribeAppResponse, ListAppResponse
    from torchx.specs.api import AppDef


def describe_many(schedulers: SchedulerPool, app_handles: Iterable[str]) -> dict[str, DescribeAppResponse | None]:
    """What the schedulers know of several jobs, with one call of each scheduler; see ``Runner.describe_many``."""
    parsed = {handle: parse_app_handle(handle) for handle in app_handles}
    groups: dict[str, list[str]] = {}
    for scheduler, _, app_id in parsed.values():
        groups.setdefault(scheduler, []).append(app_id)
    note(scheduler=",".join(groups))
    found = {name: schedulers.get(name).describe_many([*dict.fromkeys(ids)]) for name, ids in groups.items()}
    return {handle: found[scheduler].get(app_id) for handle, (scheduler, _, app_id) in parsed.items()}


def rows(schedulers: SchedulerPool, scheduler: str, session: str, cfg: Cfg) -> Iterator[ListAppResponse]:
    """The jobs of a scheduler with their handles, as it tells of them."""
    note(scheduler=scheduler)
    sched = schedulers.get(scheduler)
    resolved = None if cfg is None else resolve(sched, scheduler, cfg, to_submit=False)

    def generate() -> Iterator[ListAppResponse]:
        for app in sched.iter_list(resolved):
            app.app_handle = make_app_handle(scheduler, session, app.app_id)
            yield app

    return generate()


def known_replicas(app_handle: str, found: DescribeAppResponse, app: AppDef | None) -> Sequence[Replica]:
    """All replicas of a job.

    Args:
        app_handle: the job.
        found: what its scheduler knows.
        app: the job as it was submitted, if that is known here.

    Raises:
        TorchXError: nobody knows them: a job of theirs must not look as if it had written nothing.
    """
    roles = app.roles if app is not None else found.roles
    if not roles and found.state == AppState.UNKNOWN:
        raise TorchXError(f"nothing is known of `{app_handle}` now: {found.msg}", hint="try again later")
    if not roles and not found.roles_statuses:
        raise TorchXError(
            f"the logs of `{app_handle}` can't be found: its scheduler knows the job, but none of its replicas",
            hint="was it submitted without torchx, or have its files gone? The scheduler's own commands may show more",
        )
    replicas = [(role.name, k) for role in roles for k in range(role.num_replicas)]
    return replicas or [(status.role, replica.id) for status in found.roles_statuses for replica in status.replicas]
