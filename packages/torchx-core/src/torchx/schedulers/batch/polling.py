"""A state that is expensive to ask for: asked rarely, shared by all who want it."""

from __future__ import annotations

import time
from _thread import allocate_lock

from torchx.errors import TransientError
from torchx.util.light_generic import Generic, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FIRST_INTERVAL = 10.0
LONGEST_INTERVAL = 60.0
GROWTH = 1.5


class StatusPoll(Generic[T]):
    """The last answer to a question, renewed after pauses that grow while the answer stays the same.

    Args:
        ask: finds the answer.
        first: seconds for which the first answer, and each new one, is kept.
        longest: the longest pause, in seconds.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        ask: Callable[[], T],
        *,
        first: float = FIRST_INTERVAL,
        longest: float = LONGEST_INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._first = first
        self._longest = longest
        self._clock = clock
        self._pause = first
        self._due = float("-inf")
        self._answer: T | None = None
        self._known = False
        self._lock = allocate_lock()

    def last(self) -> T:
        """The answer, at most as old as the pause.

        Raises:
            TransientError: asking failed, and it is too early to ask again.
        """
        with self._lock:  # who comes while it is asked for waits for that answer
            if self._clock() >= self._due:
                self._renew()
        if not self._known:
            raise TransientError("the state is not known now, and is asked for again later")
        answered: T = self._answer  # type: ignore[assignment]  # it is known
        return answered

    def _renew(self) -> None:
        self._due = self._clock() + self._pause  # also where asking fails: a failure is no reason to ask more often
        answer = self._ask()
        changed = answer != self._answer
        self._pause = self._first if changed else min(self._pause * GROWTH, self._longest)
        self._answer, self._known = answer, True
        self._due = self._clock() + self._pause
