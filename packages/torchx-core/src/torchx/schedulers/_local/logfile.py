"""A local log file, line by line: kept for programs that read the files themselves."""

from __future__ import annotations

from torchx.schedulers._local.files import TERMINAL
from torchx.schedulers.log_sources import FileSource
from torchx.schedulers.logs import iter_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from torchx.schedulers.api import Scheduler


class LogIterator:
    """The lines of one local log file, as text.

    Args:
        app_id: the job.
        regex: only lines in which it is found.
        log_file: the file.
        scheduler: the scheduler that runs the job.
        should_tail: go on until the job has ended.
    """

    def __init__(
        self, app_id: str, regex: str, log_file: str, scheduler: Scheduler[Any], should_tail: bool = True
    ) -> None:
        source = FileSource(log_file, lambda: _has_ended(scheduler, app_id))
        self._lines = iter_lines(source, regex=regex or None, should_tail=should_tail)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._lines)


def _has_ended(scheduler: Scheduler[Any], app_id: str) -> bool:
    described = scheduler.describe(app_id)
    return described is None or described.state.name in TERMINAL
