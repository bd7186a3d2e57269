"""Which files the log of a replica is made of, and what stands in for them where no replica has ever begun."""

from __future__ import annotations

import os

from torchx.errors import TorchXError, TransientError
from torchx.schedulers.api import Stream
from torchx.schedulers.batch.job_view import unwritable_text
from torchx.schedulers.batch.logs import NOTE_AGE, MergedSource, RemoteLogs, ReplicaFile, has_ended
from torchx.schedulers.batch.place import may_restart, role_of
from torchx.schedulers.batch.replica import STATE_FILE, STDERR_LOG, STDOUT_LOG
from torchx.schedulers.batch.replica_states import replica_folder, replicas_of
from torchx.schedulers.batch.request import BATCH_LOG
from torchx.schedulers.log_sources import polled
from torchx.schedulers.logs import LogChunk
from torchx.specs.api import AppState, is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from torchx.schedulers.batch.commands import Commands
    from torchx.schedulers.batch.job import BatchJob
    from torchx.schedulers.batch.place import JobPlace
    from torchx.schedulers.logs import LogSource

_FILES = {Stream.STDOUT: [STDOUT_LOG], Stream.STDERR: [STDERR_LOG]}


class JobLogs:
    """The logs of one job, shared by all who follow a replica of it.

    Args:
        app_id: the job.
        place: its folder.
        commands: of the machine where that is.
        ask: what is known of the job, which is asked for rarely.
    """

    def __init__(self, app_id: str, place: JobPlace, commands: Commands, ask: Callable[[], BatchJob | None]) -> None:
        self._app_id = app_id
        self._place = place
        # Of nothing that refers to this object: it is gone when nobody follows the job any more.
        self._ended = polled(lambda: _has_ended(ask), every=NOTE_AGE)
        self._remote = RemoteLogs(commands) if place.host is not None else None
        self._told_batch_log = False

    def source(self, role_name: str, k: int, streams: Stream | None) -> LogSource:
        """The log of one replica. Without ``streams`` both files are read as one.

        Raises:
            UsageError: the job has no such replica.
        """
        place = self._place
        role = role_of(place.record, self._app_id, role_name, k)
        below = os.path.join(place.folder, replica_folder(role_name, k))
        note = os.path.join(below, STATE_FILE) if place.host is None else None
        finished = has_ended(note, self._ended, not may_restart(place.record, role))
        names = _FILES.get(streams or Stream.COMBINED, [STDOUT_LOG, STDERR_LOG])
        sources = [self._file(os.path.join(below, name), finished) for name in names]
        return OrBatchLog(sources[0] if len(sources) == 1 else MergedSource(*sources), self)

    def take_batch_log(self) -> bytes:
        """What the batch system wrote about a job of which no replica has begun; told to the first who asks."""
        if self._told_batch_log or not self._never_began():
            return b""
        self._told_batch_log = True
        text = self._place.files.read(self._place.folder, [BATCH_LOG]).get(BATCH_LOG, b"")
        if not text and self._place.is_unwritable():
            text = unwritable_text(self._place).encode()
        return b"".join(b"%s: %s\n" % (BATCH_LOG.encode(), line) for line in text.split(b"\n") if line)

    def _never_began(self) -> bool:
        try:
            if not self._ended():
                return False
        except TorchXError:
            return False
        states = [os.path.join(replica_folder(role, k), STATE_FILE) for role, k in replicas_of(self._place.record)]
        return not self._place.files.read(self._place.folder, states)

    def _file(self, path: str, finished: Callable[[], bool]) -> LogSource:
        return self._remote.source(path, finished) if self._remote else ReplicaFile(path, finished)


class OrBatchLog:
    """A replica's log; where no replica of the job has ever begun, what the batch system wrote about that.

    Args:
        log: the replica's log.
        job: those of the job.
    """

    def __init__(self, log: LogSource, job: JobLogs) -> None:
        self._log = log
        self._job = job
        self._brought = False

    def read(self, position: object | None, limit: int) -> LogChunk:
        """As `LogSource.read`."""
        chunk = self._log.read(position, limit)
        if chunk.data or self._brought:
            self._brought = True
            return chunk
        data = self._job.take_batch_log()
        self._brought = bool(data)
        return LogChunk(data, chunk.position) if data else chunk

    def finished(self) -> bool:
        """Whether nothing will be written any more."""
        return self._log.finished()

    def close(self) -> None:
        """Closes the replica's log."""
        close = getattr(self._log, "close", None)
        if close is not None:
            close()


def _has_ended(ask: Callable[[], BatchJob | None]) -> bool:
    job = ask()
    if job is not None and job.state is AppState.UNKNOWN:
        raise TransientError(job.msg)
    return job is None or is_terminal(job.state)
