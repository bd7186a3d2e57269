"""Ends a job, in limited time, whatever the batch system does."""

from __future__ import annotations

import time

from torchx.errors import TransientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from torchx.schedulers.batch.job import BatchSystem


def cancel_within(left: Callable[[], float], system: BatchSystem, app_id: str) -> None:
    """Asks for the end of a job until the batch system answers.

    Args:
        left: tells the seconds that are left; commands of the batch system are killed when there are none.
        system: who is asked.
        app_id: the job.

    Raises:
        TransientError: why the batch system did not answer; where time ran out in the last try, why it did not before.
    """
    from torchx.util.retry import retry

    told: TransientError | None = None

    def attempt() -> None:
        nonlocal told
        if told is not None and left() <= 0:
            raise told
        try:
            system.cancel(app_id)
        except TransientError as error:
            if told is not None and left() <= 0:
                raise told from error
            told = error
            raise

    retry(
        attempt,
        transient=lambda error: isinstance(error, TransientError) and left() > 0,
        total_timeout=None,  # which would count from the first failure
        sleep=lambda seconds: time.sleep(min(seconds, left())),
    )
