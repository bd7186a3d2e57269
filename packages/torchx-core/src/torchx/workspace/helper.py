"""A second process that shares the copying, where the processor and not a disk is what it takes."""

from __future__ import annotations

import contextlib
import marshal
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING

from torchx.workspace import fastcopy

if TYPE_CHECKING:
    from torchx.workspace.fastcopy import Job, Mark

#: Jobs that it has at a time: while one answer is on its way, it works on the next.
AHEAD = 2
#: Seconds that it gets to end by itself.
_TIMEOUT = 5


class Helper:
    """Copies files in a process of its own. Where that can't be had, or ends, it takes no jobs (any more)."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._process: subprocess.Popen[bytes] | None = None
        if sys.executable:
            command = [sys.executable, "-I", "-S", fastcopy.__file__]
            pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
            with contextlib.suppress(OSError):  # too many processes: we do it alone
                self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet, bufsize=0)

    def __enter__(self) -> Helper:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    @property
    def busy(self) -> bool:
        """Whether it has jobs that are not done yet."""
        return bool(self._jobs)

    def fill(self, todo: deque[Job]) -> None:
        """Gives it of the last jobs to do, as many as it should have."""
        while todo and self._process and len(self._jobs) < AHEAD:
            assert self._process.stdin
            job = todo.pop()
            self._jobs.append(job)
            try:
                self._process.stdin.write(marshal.dumps(job))
            except OSError:
                self._give_back(todo)

    def has_news(self) -> bool:
        """Whether a job is done, without waiting for one."""
        import select

        if not self._process or not self._jobs:
            return False
        poll = select.poll()  # not select(), which takes no file descriptors above 1023
        poll.register(self._process.stdout or -1, select.POLLIN)
        return bool(poll.poll(0))

    def answer(self, todo: deque[Job]) -> list[tuple[Job, list[Mark]]]:
        """Waits for the end of its oldest job.

        Args:
            todo: gets all its jobs back if it has ended.

        Returns:
            The job with what `copy_job` returns of it; nothing if it has ended.

        Raises:
            OSError: a file can't be read or written.
        """
        assert self._process
        assert self._process.stdout
        try:
            marks = marshal.load(self._process.stdout)
        except (EOFError, ValueError, TypeError, OSError):
            self._give_back(todo)
            return []
        job = self._jobs.popleft()
        if isinstance(marks, tuple):
            raise OSError(*marks)
        return [(job, marks)]

    def _give_back(self, todo: deque[Job]) -> None:
        todo.extend(self._jobs)  # doing one twice does no harm
        self._jobs.clear()
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin
        assert process.stdout
        if self._jobs:
            process.kill()
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_TIMEOUT)
