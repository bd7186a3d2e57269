"""What happens to output while it can't be written: the readers pause, the writers wait, and at last the job fails."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torchx.schedulers._local.output import Output

PATIENCE = 5.0
"""Seconds to wait for space for log lines before the job fails."""

RETRY = 0.25
"""Seconds between two attempts to write."""


class DiskGate:
    """Lets output through to the log files, and shuts when these can't be written.

    Args:
        outputs: gives the outputs of all replicas that have begun.
        pause: called when the gate shuts: nothing more is to be read.
        resume: called when it opens again.

    Attributes:
        is_shut: whether lines wait in memory for space.
        problem: why lines are lost for good; None as long as none is.
    """

    def __init__(
        self, outputs: Callable[[], Iterable[Output]], pause: Callable[[], None], resume: Callable[[], None]
    ) -> None:
        self._outputs = outputs
        self._pause = pause
        self._resume = resume
        self._shut_at = 0.0
        self._retry_at = 0.0
        self.is_shut = False
        self.problem: str | None = None

    def write(self, output: Output, stream: str, data: bytes) -> None:
        """Appends to a log file; what can't be written now is kept."""
        try:
            output.write(stream, data)
        except OSError:
            if not self.is_shut:
                self.is_shut = True
                self._shut_at = time.monotonic()
                self._retry_at = self._shut_at + RETRY
                self._pause()

    def is_waiting(self) -> bool:
        """Whether lines may still find their place."""
        return self.is_shut and self.problem is None

    def deadline(self) -> float | None:
        """When to call ``retry``, by ``time.monotonic()``."""
        return self._retry_at if self.is_shut else None

    def retry(self, now: float) -> None:
        """Tries again if it is time to; sets ``problem`` when that has gone on for too long."""
        if not self.is_shut or now < self._retry_at:
            return
        try:
            for output in self._outputs():
                output.drain()
        except OSError as error:
            self._retry_at = now + RETRY
            if now - self._shut_at > PATIENCE:
                self.problem = write_problem(error)
            return
        self.is_shut = False
        self._resume()


def write_problem(error: OSError) -> str:
    """One line on why log lines are lost."""
    return f"can't write the job's logs: {error.strerror}"
