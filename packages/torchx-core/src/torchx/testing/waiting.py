"""Waiting for what a test waits for, and no longer than it may take."""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

FIRST_PAUSE = 0.01
LONGEST_PAUSE = 1.0


def until(look: Callable[[], T], timeout: float, what: str = "it") -> T:
    """Waits until what a function returns is true, and returns it.

    Args:
        look: asked again and again, at growing intervals.
        timeout: seconds.
        what: what is waited for, for the message.

    Raises:
        AssertionError: it was not in time.
    """
    end = time.monotonic() + timeout
    pause = FIRST_PAUSE
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not happen within {timeout:g} s"
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return found


def within(timeout: float, do: Callable[[], T], what: str = "it") -> T:
    """What a function returns, which may hang for ever.

    Args:
        timeout: seconds.
        do: runs on a thread of its own, which is given up when the time is over.
        what: what is done, for the message.

    Raises:
        AssertionError: it has not returned in time.
        BaseException: what the function raised.
    """
    returned: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            returned.append(do())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True, name=f"waits for: {what}")
    thread.start()
    thread.join(timeout)
    if raised:
        raise raised[0]
    assert returned, f"{what} did not end within {timeout:g} s"
    return returned[0]
