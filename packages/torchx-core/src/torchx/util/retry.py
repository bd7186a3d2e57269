"""Try again after a failure that may pass: jittered, capped, and never longer than a total time."""

from __future__ import annotations

import time

from torchx.util.light_generic import TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FIRST_DELAY = 0.2
MAX_DELAY = 20.0
TOTAL_TIMEOUT = 60.0


class Backoff:
    """The pauses between attempts, from the first failure of a series to the moment to give up.

    Each pause is drawn between half of a bound and the bound; the bound doubles from `first_delay` up to `max_delay`.
    The series begins with the first call of `next_delay` and ends `total_timeout` later, or at `reset`.

    Args:
        first_delay: bound of the first pause, in seconds.
        max_delay: bound that pauses never pass, in seconds.
        total_timeout: seconds from the first failure after which `next_delay` answers None; None: never.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        first_delay: float = FIRST_DELAY,
        max_delay: float = MAX_DELAY,
        total_timeout: float | None = TOTAL_TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first_delay = first_delay
        self._max_delay = max_delay
        self._total_timeout = total_timeout
        self._clock = clock
        self._failures = 0
        self._started = 0.0

    @property
    def failures(self) -> int:
        """How many failures in a row have been told since the last success."""
        return self._failures

    def reset(self) -> None:
        """A success: the next failure starts a new series."""
        self._failures = 0

    def next_delay(self, at_least: float = 0.0) -> float | None:
        """A failure: how long to pause before the next attempt.

        Args:
            at_least: seconds that the other side asked to be left alone (a ``Retry-After`` header).

        Returns:
            seconds; the last pause ends exactly at the total time-out. None when it is time to give up.
        """
        import random

        now = self._clock()
        if not self._failures:
            self._started = now
        # The exponent is bounded so that a series without an end cannot overflow a float.
        bound = min(self._max_delay, self._first_delay * 2.0 ** min(self._failures, 60))
        self._failures += 1
        delay = max(at_least, bound * random.uniform(0.5, 1.0))
        if self._total_timeout is None:
            return delay
        left = self._started + self._total_timeout - now
        if left <= 0 or at_least > left:
            return None
        return min(delay, left)


def retry(
    fn: Callable[[], T],
    *,
    transient: type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool],
    first_delay: float = FIRST_DELAY,
    max_delay: float = MAX_DELAY,
    total_timeout: float | None = TOTAL_TIMEOUT,
    retry_after: Callable[[Exception], float | None] | None = None,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Call `fn` until it returns, as long as it fails in a way that may pass.

    Args:
        fn: the attempt. It must be safe to repeat.
        transient: the exceptions that may pass, as types or as a predicate. Others are raised at once.
        first_delay: bound of the first pause, in seconds.
        max_delay: bound that pauses never pass, in seconds.
        total_timeout: seconds from the first failure after which the last exception is raised; None: never.
            It bounds the series, not one attempt: an attempt needs a time limit of its own.
        retry_after: reads from an exception how many seconds the other side asked to be left alone.
        sleep: pauses for the given seconds.
        clock: monotonic seconds.

    Returns:
        what `fn` returned.

    Raises:
        Exception: what `fn` raised last.
    """
    backoff = Backoff(first_delay=first_delay, max_delay=max_delay, total_timeout=total_timeout, clock=clock)
    while True:
        try:
            return fn()
        except Exception as error:
            if not _is_transient(error, transient):
                raise
            delay = backoff.next_delay((retry_after(error) if retry_after else None) or 0.0)
            if delay is None:
                raise
        sleep(delay)


def _is_transient(
    error: Exception, transient: type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]
) -> bool:
    if isinstance(transient, (type, tuple)):
        return isinstance(error, transient)
    return transient(error)
