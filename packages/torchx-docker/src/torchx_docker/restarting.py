"""Starts replicas of a job again together, as its keeper does, with growing pauses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from torchx.util.retry import Backoff
from torchx_docker.ending import end, mark
from torchx_docker.lookup import replicas_of
from torchx_docker.parallel import for_each

if TYPE_CHECKING:
    from torchx_docker.client import Engine
    from torchx_docker.replica import Replica
    from torchx_docker.retries import Plan

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
"""Seconds. A replica that has ended for less than a minute counts as one that may run again: see `about_to_return`."""

LASTING = 10.0
"""Seconds after which a run was no quick failure: the pauses begin anew, as Docker's own do."""

LOOK_EVERY = 1.0
"""Seconds of a pause after which it is looked whether the job was cancelled meanwhile."""


class Restarts:
    """What a keeper does when replicas are to be started again.

    Args:
        engine: the engine.
        app_id: the job.
    """

    def __init__(self, engine: Engine, app_id: str) -> None:
        self._engine = engine
        self._app_id = app_id
        self._pauses = Backoff(first_delay=FIRST_PAUSE, max_delay=LONGEST_PAUSE, total_timeout=None)
        self._started_at = time.monotonic()

    def restart(self, plan: Plan) -> None:
        """Ends those replicas that still run, and starts all, unless the job is cancelled before.

        A cancellation in the very moment of a start leaves containers running: look again, and end them.
        """
        if time.monotonic() - self._started_at > LASTING:
            self._pauses.reset()
        mark(self._engine, plan.restart, retries=plan.attempt, retrying=True)
        end(self._engine, self._app_id, plan.restart, for_good=False)
        if self._pause(self._pauses.next_delay() or 0.0):
            for_each(self._start, self._waiting())
            self._started_at = time.monotonic()

    def _pause(self, seconds: float) -> bool:
        """Waits; False as soon as there is nothing left to start."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_EVERY))
            if not self._waiting():
                return False
        return True

    def _waiting(self) -> list[Replica]:
        replicas = replicas_of(self._engine, self._app_id)
        return [r for r in replicas if r.marks.retrying and not r.called_off]

    def _start(self, replica: Replica) -> None:
        # By its name, which whoever cancels the job changes first.
        if self._engine.start(replica.full_name):
            mark(self._engine, [replica], retrying=False)
