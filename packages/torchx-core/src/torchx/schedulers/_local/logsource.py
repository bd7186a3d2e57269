"""A local replica's log file as a source for the log engine."""

from __future__ import annotations

import os
import time

from torchx.schedulers._local.files import PULSE_FILE, TERMINAL
from torchx.schedulers._local.output import INDEX_RECORD, INDEX_STEP, TIMES_INDEX
from torchx.schedulers.api import Stream
from torchx.schedulers.logs import LogChunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from torchx.schedulers._local.store import Store

_COLUMN = {Stream.STDOUT: 1, Stream.STDERR: 2, Stream.COMBINED: 3}

_FIRST_POLL, _LAST_POLL = 0.001, 0.02
"""Seconds between two looks at a job's pulse: short after news, then growing."""

_STATE_AGE = 1.0
"""Seconds after which a job that gives no sign is looked at all the same: its supervisor may have been killed."""


class AppWatch:
    """News of one job, shared by all who follow it: one small read tells that there is none.

    Args:
        store: the jobs.
        app_id: the job.
        request: what was submitted, where that is known.
    """

    def __init__(self, store: Store, app_id: str, request: dict[str, Any] | None = None) -> None:
        self._store = store
        self._app_id = app_id
        self._pulse: int | None = None
        self._seen = b""
        self._request = request
        self._state: dict[str, Any] | None = None
        self._state_beats = b""
        self._state_due = 0.0

    def wait(self, seconds: float) -> bool:
        """Waits until the job has written output or changed its state, at most ``seconds``.

        Returns:
            Whether it has.
        """
        end = time.monotonic() + seconds
        pause = _FIRST_POLL
        while True:
            beats = self._beats()
            if beats != self._seen:
                self._seen = beats
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, pause))
            pause = min(2 * pause, _LAST_POLL)

    def request(self) -> dict[str, Any] | None:
        """What was submitted, as ``Store.request``. It never changes: read once, however many replicas are followed."""
        if self._request is None:
            self._request = self._store.request(self._app_id)
        return self._request

    def state(self) -> dict[str, Any] | None:
        """The job's record, as ``Store.state``; at most a second old."""
        now, beats = time.monotonic(), self._beats()
        if beats != self._state_beats or now >= self._state_due:
            self._state = self._store.state(self._app_id)
            self._state_beats, self._state_due = beats, now + _STATE_AGE
        return self._state

    def _beats(self) -> bytes:
        if self._pulse is None:
            path = os.path.join(self._store.folder(self._app_id), PULSE_FILE)
            try:
                self._pulse = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:  # it has not begun yet
                return b""
        return os.pread(self._pulse, 8, 0)

    def __del__(self) -> None:
        if self._pulse is not None:
            os.close(self._pulse)


class LocalLogSource:
    """One stream of one replica.

    Args:
        watch: the job.
        folder: the replica's log folder.
        stream: which file.
        replica: index of the replica's entry among those of all roles.
        restartable: the replica may be started again after it has ended, because of another one's failure.
        since: leave out what was written before; exact to a hundredth of a second.
        until: leave out what was written at this time or later.
    """

    def __init__(
        self,
        watch: AppWatch,
        folder: str,
        *,
        stream: Stream,
        replica: int,
        restartable: bool,
        since: datetime | None,
        until: datetime | None,
    ) -> None:
        self._watch = watch
        self._path = f"{folder}/{stream.value}.log"
        self._index = f"{folder}/{TIMES_INDEX}"
        self._column = _COLUMN[stream]
        self._replica = replica
        self._restartable = restartable
        self._since = None if since is None else since.timestamp()
        self._until = None if until is None else until.timestamp()
        self._fd: int | None = None

    def read(self, position: object | None, limit: int) -> LogChunk:
        """Bytes from a file offset on."""
        fd = self._open()
        if fd is None:
            return LogChunk(b"", position)
        if position is None:
            position = 0 if self._since is None else self._start(fd, self._since)
            if position is None:
                return LogChunk(b"", None)
        assert isinstance(position, int)
        if self._until is not None:
            end = self._end(fd, self._until)
            if end is not None:
                limit = min(limit, max(0, end - position))
        data = os.pread(fd, limit, position)
        return LogChunk(data, position + len(data))

    def finished(self) -> bool:
        """Whether the replica has ended for good, or the time asked for has passed."""
        if self._until is not None and time.time() > self._until + INDEX_STEP:
            return True
        state = self._watch.state()
        if state is None or state["state"] in TERMINAL:
            return True
        replicas = state["replicas"]
        return not self._restartable and len(replicas) > self._replica and replicas[self._replica]["state"] in TERMINAL

    def close(self) -> None:
        """Closes the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int | None:
        if self._fd is None:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:  # not started yet
                return None
        return self._fd

    def _start(self, fd: int, since: float) -> int | None:
        """The first line written at ``since`` or later; None while there is none."""
        for record in self._records():
            if record[0] + INDEX_STEP > since:
                return self._line_start(fd, record[self._column])
        return None

    def _end(self, fd: int, until: float) -> int | None:
        """The end of the lines written before ``until``; None while none has been written at that time or later."""
        for record in self._records():
            if record[0] >= until:
                return self._line_start(fd, record[self._column])
        return None

    def _records(self) -> list[tuple[float, ...]]:
        try:
            with open(self._index, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return []
        return list(INDEX_RECORD.iter_unpack(data[: len(data) - len(data) % INDEX_RECORD.size]))

    def _line_start(self, fd: int, offset: float) -> int:
        """The start of the line in which an offset lies: lines are whole."""
        at = int(offset)
        while at > 0:
            begin = max(0, at - 4096)
            cut = os.pread(fd, at - begin, begin).rfind(b"\n")
            if cut >= 0:
                return begin + cut + 1
            at = begin
        return 0
