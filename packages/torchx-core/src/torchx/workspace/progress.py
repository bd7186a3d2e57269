"""A progress line for what takes over a second, on a terminal only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import Timer
    from types import TracebackType
    from typing import TextIO

    from rich.console import RenderableType
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn, Task, TaskID

#: Seconds after which the line appears.
PATIENCE = 1.0


class Progress:
    """Is told how far a piece of work has come; this one keeps it to itself."""

    def phase(self, label: str, total: int | None = None) -> None:
        """Another part of the work begins.

        Args:
            label: what is being done, such as ``"copying workspace"``.
            total: how many files there are to do; None where this is not known.
        """

    def advance(self, files: int) -> None:
        """``files`` more are done."""

    def within(self, name: str, done: int = 0, size: int | None = None) -> None:
        """One file, a large or a slow one, is being worked on.

        Args:
            name: the file's name.
            done: how much of it is done, in bytes.
            size: its size in bytes; None or 0 where this is not known.
        """


SILENT = Progress()


class FileProgress(Progress):
    """Shows the count of files on a terminal, once the work has taken longer than a second.

    It appears by itself, also while one call takes all the time.

    Args:
        label: as for ``phase``.
        total: as for ``phase``.
        stream: where to show it, standard error by default.
    """

    def __init__(self, label: str, total: int | None = None, stream: TextIO | None = None) -> None:
        self.done = 0
        self._label = label
        self._total = total
        self._detail = ""
        self._stream = stream if stream is not None else sys.stderr
        self._timer: Timer | None = None
        self._bar: tuple[Bar, TaskID] | None = None

    def __enter__(self) -> FileProgress:
        if self._stream is not None and self._stream.isatty():
            from threading import Timer

            self._timer = Timer(PATIENCE, self._show)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer.join()  # it may be showing the line just now
        if self._bar:
            self._bar[0].stop()

    def phase(self, label: str, total: int | None = None) -> None:
        self._label, self._total, self._detail, self.done = label, total, "", 0
        self._update()

    def advance(self, files: int) -> None:
        self.done += files
        self._detail = ""
        self._update()

    def within(self, name: str, done: int = 0, size: int | None = None) -> None:
        self._detail = f"{name} {done * 100 // size} %" if size else name
        self._update()

    def _update(self) -> None:
        if self._bar:
            bar, task = self._bar
            bar.update(task, description=self._text, completed=self.done, total=self._total)

    @property
    def _text(self) -> str:
        from rich.markup import escape

        return escape(f"{self._label}: {self._detail}" if self._detail else self._label)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            *known_columns(),
            TimeElapsedColumn(),
            console=Console(file=self._stream),
            transient=True,
            # Nothing else is printed meanwhile; and sys.stdout is not ours to replace from another thread.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        task = bar.add_task(self._text, total=self._total, completed=self.done)
        bar.start()
        self._bar = bar, task
        self._update()  # what was told in between


def known_columns() -> tuple[ProgressColumn, ProgressColumn]:
    """A bar and a count that tell only what is known: without a total there is no bar, and ``7 files`` for ``7/20``."""
    from rich.progress import BarColumn, ProgressColumn
    from rich.text import Text

    class KnownBar(ProgressColumn):
        bar = BarColumn()

        def render(self, task: Task) -> RenderableType:
            return Text() if task.total is None else self.bar.render(task)

    class Count(ProgressColumn):
        def render(self, task: Task) -> Text:
            done = int(task.completed)
            if task.total is not None:
                return Text(f"{done}/{int(task.total)}")
            return Text(f"{done} files" if done > 1 else "1 file" if done else "")

    return KnownBar(), Count()
