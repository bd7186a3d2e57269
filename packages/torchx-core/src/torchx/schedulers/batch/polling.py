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
SOON = 1.0
"""Seconds until the first look after a cancellation."""


class StatusPoll(Generic[T]):
    """The last answer to a question, renewed after pauses that grow while the answer stays the same.

    Args:
        ask: finds the answer.
        same: whether two answers are the same as far as the pauses go; equal ones by default.
        first: seconds for which the first answer, and each new one, is kept.
        longest: the longest pause, in seconds.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        ask: Callable[[], T],
        *,
        same: Callable[[T, T], bool] | None = None,
        first: float | None = None,
        longest: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._same = same
        self._first = FIRST_INTERVAL if first is None else first
        self._longest = LONGEST_INTERVAL if longest is None else longest
        self._clock = clock
        self._pause = self._first
        self._asked = self._due = float("-inf")
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

    def tell(self, answer: T) -> None:
        """Takes an answer that somebody else has got now: it is as good as one's own."""
        with self._lock:
            self._asked = self._clock()
            self._take(answer)

    def hurry(self) -> None:
        """There are signs of news: a pause that has grown is shortened to the first one."""
        self._pause = min(self._pause, self._first)
        self._due = min(self._due, self._asked + self._first)

    def expect(self) -> None:
        """An end is coming, because it was asked for: the answer is renewed soon, and after pauses that grow anew."""
        self._pause = min(self._pause, SOON)
        self._due = min(self._due, self._clock() + SOON)

    def _renew(self) -> None:
        self._asked = self._clock()
        self._due = self._asked + self._pause  # also where asking fails: a failure is no reason to ask more often
        self._take(self._ask())

    def _take(self, answer: T) -> None:
        if self._known and self._equal(answer, self._answer):  # type: ignore[arg-type]  # it is known
            self._pause = min(self._pause * GROWTH, self._longest)
        else:
            self._pause = self._first
        self._answer, self._known = answer, True
        self._due = self._clock() + self._pause

    def _equal(self, one: T, other: T) -> bool:
        return one == other if self._same is None else self._same(one, other)
