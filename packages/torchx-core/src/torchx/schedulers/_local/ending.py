"""How a job is ended: everybody of it is asked with SIGTERM, and killed when the grace time is over."""

from __future__ import annotations

import os
import time

from torchx.schedulers._local import proctree
from torchx.schedulers._local.replica import GRACE
from torchx.schedulers._local.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

KILL_TIMEOUT = 3.0
"""Seconds in which killed processes must be gone; ``GRACE`` and this stay below the promised 10."""


class Ending:
    """The end of a job, from its first sign to the last process.

    Args:
        guardian: the process id of the guardian; it and this process stay, whatever they have below them goes.

    Attributes:
        state: the state that the job will end in; None as long as nobody wants it to end.
        msg: why.
    """

    def __init__(self, guardian: int) -> None:
        self._watchers = {os.getpid(), guardian}
        self._kill_at: float | None = None
        self._escaping: set[int] = set()
        self.state: str | None = None
        self.msg = ""

    def begin(self, state: str, msg: str, running: Iterable[int]) -> None:
        """Asks everybody to end. Only the first call counts.

        Args:
            state: the state that the job will end in.
            msg: why it ends.
            running: the replicas' process ids, which are those of their process groups.
        """
        if self.state:
            return
        self.state, self.msg = state, msg
        groups = set(running)
        if groups:
            self._kill_at = time.monotonic() + GRACE
            family = proctree.family(self._watchers, groups, self._watchers)
            if proctree.PORTABLE:  # where no orphan comes back to us: the groups that they will be found by
                self._escaping = proctree.groups_of(family)
            proctree.send(family, signal.SIGTERM)

    def deadline(self) -> float | None:
        """When to call ``kill_if_due``, by ``time.monotonic()``."""
        return self._kill_at

    def kill_if_due(self, now: float, running: Iterable[int]) -> None:
        """Kills who is left when the grace time is over."""
        if self._kill_at is not None and now >= self._kill_at:
            self.kill(running)

    def kill(self, running: Iterable[int]) -> None:
        """Kills everybody at once, and notes who can't be killed."""
        self._kill_at = None
        left = proctree.kill_all(self._watchers, {*running, *self._escaping}, self._watchers, timeout=KILL_TIMEOUT)
        if left:
            self.msg += f"; could not kill: {', '.join(map(str, left))}"
