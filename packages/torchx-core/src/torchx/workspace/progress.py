"""A progress line for what takes over a second, on a terminal only."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from rich.progress import Progress, TaskID

#: Seconds after which the line appears.
PATIENCE = 1.0


class FileProgress:
    """Counts files; shows the count on a terminal once it has taken longer than :data:`PATIENCE`.

    Args:
        label: what is being done, such as ``"copying workspace"``.
        total: how many files there are; None where this is not known.
        stream: where to show it, standard error by default.
    """

    def __init__(self, label: str, total: int | None = None, stream: TextIO | None = None) -> None:
        self.done = 0
        self._label = label
        self._total = total
        self._stream = stream if stream is not None else sys.stderr
        self._start = time.monotonic()
        self._wanted = self._stream.isatty()
        self._bar: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> FileProgress:
        return self

    def advance(self, files: int) -> None:
        """Counts ``files`` more as done."""
        self.done += files
        if self._bar:
            progress, task = self._bar
            progress.update(task, completed=self.done)
        elif self._wanted and time.monotonic() - self._start > PATIENCE:
            self._bar = self._show()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar:
            self._bar[0].stop()

    def _show(self) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(file=self._stream),
            transient=True,
        )
        task = progress.add_task(self._label, total=self._total, completed=self.done)
        progress.start()
        return progress, task
