"""Waits for a job's end: quick for short jobs, gentle for long ones, and not stopped by a network that hiccups."""

from __future__ import annotations

import time

from torchx.errors import TransientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from torchx.specs.api import AppStatus

FIRST_INTERVAL = 0.01
GROWTH = 1.5

TRANSIENT = (TransientError, ConnectionError, TimeoutError)
"""Errors that may pass by themselves."""


def wait_for_end(ask: Callable[[], AppStatus | None], interval: float, timeout: float | None) -> AppStatus | None:
    """Asks until the job has ended or is gone.

    Args:
        ask: the job's status, None when it is gone.
        interval: the longest pause between two questions, in seconds; pauses grow up to it.
        timeout: seconds after which to give up; None: never.

    Raises:
        TimeoutError: the job has not ended in time.
    """
    end = None if timeout is None else time.monotonic() + timeout
    pause = min(FIRST_INTERVAL, interval)
    while True:
        try:
            status = ask()
        except TRANSIENT as error:
            _warn(error)
        else:
            if status is None or status.is_terminal():
                return status
        if end is not None:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"the job has not ended in {timeout:g} s")
            pause = min(pause, left)
        time.sleep(pause)
        pause = min(max(pause, FIRST_INTERVAL) * GROWTH, interval)


def _warn(error: BaseException) -> None:
    import logging

    from torchx.util.masking import mask_text

    text = mask_text(str(error))
    logging.getLogger(__name__).warning("the job's status can't be read now, trying again: %s", text)
