"""A replica's output as a source for the log engine. No thread: one connection for each replica that runs."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from weakref import WeakSet

from torchx.schedulers.api import Stream
from torchx.schedulers.logs import LogChunk, TransientLogError
from torchx.schedulers.replay import ReplayPosition
from torchx.specs.api import is_terminal
from torchx_docker.connection import EngineError, EngineUnreachableError
from torchx_docker.frames import NANOSECONDS, STDERR, STDOUT, format_time
from torchx_docker.lookup import replicas_of
from torchx_docker.retries import may_run_again
from torchx_docker.status import app_state

if TYPE_CHECKING:
    from datetime import datetime

    from torchx_docker.client import Engine
    from torchx_docker.frames import Record
    from torchx_docker.log_stream import LogStream
    from torchx_docker.replica import Replica

MAX_STREAMS = 128
"""Connections that are held open for one job; replicas beyond are asked now and then."""

STATE_AGE = 1.0
"""Seconds for which the states of a job's containers are not asked for again."""

OVERLAP = NANOSECONDS // 5
"""A container's two outputs are stamped and written by two threads of the engine: this much may a line be late."""


class JobWatch:
    """One job as those see it who read its logs: states are asked for once for all replicas.

    Args:
        engine: the engine.
        app_id: the job.
    """

    def __init__(self, engine: Engine, app_id: str) -> None:
        self.engine = engine
        self.app_id = app_id
        self.streams: WeakSet[LogStream] = WeakSet()
        self._replicas: list[Replica] = []
        self._asked_at = float("-inf")

    def replicas(self, newer_than: float = float("-inf")) -> list[Replica]:
        """The job's replicas, as they were at most a second ago, and after the time given (of ``time.monotonic``)."""
        now = time.monotonic()
        if now - self._asked_at > STATE_AGE or self._asked_at <= newer_than:
            self._replicas = replicas_of(self.engine, self.app_id)
            self._asked_at = now
        return self._replicas

    def wait(self, seconds: float) -> bool:
        """Waits until the engine has sent something, at most ``seconds``; whether it has."""
        poll = select.poll()
        for stream in list(self.streams):
            if stream.has_more():
                return True
            if stream.fileno() >= 0:
                poll.register(stream, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))


@dataclass(frozen=True)
class LogPosition:
    """Where a reader stands: which records it has, and the beginnings of lines whose ends have not come."""

    replay: ReplayPosition = field(default_factory=lambda: ReplayPosition(overlap=OVERLAP))
    out: bytes = b""
    err: bytes = b""

    def admit(self, records: list[Record], since: int, until: int | None) -> tuple[bytes, LogPosition]:
        """The whole lines that new records bring, those of each output in one piece.

        Args:
            records: as they come from the engine.
            since, until: records of other times are left out; nanoseconds since the epoch.
        """
        wanted = [r for r in records if r[1] >= since and (until is None or r[1] < until)]
        # Which output a record is of is told apart by one byte in front.
        fresh, replay = self.replay.admit((when, bytes([stream]) + line) for stream, when, line in wanted)
        held = {STDOUT: self.out, STDERR: self.err}
        lines = []
        for tagged in fresh:
            stream, line = tagged[0], held[tagged[0]] + tagged[1:]
            held[stream] = b"" if line.endswith(b"\n") else line
            if not held[stream]:
                lines.append(line)
        return b"".join(lines), LogPosition(replay, held[STDOUT], held[STDERR])

    def rest(self) -> tuple[bytes, LogPosition]:
        """What has no line end, when nothing will come any more."""
        between = b"\n" if self.out and self.err else b""
        return self.out + between + self.err, LogPosition(self.replay)


@dataclass(frozen=True)
class OpenLog:
    """A connection that brings a part of a log.

    Attributes:
        stream: what it brings.
        follows: it stays open for what will be written, and is read without waiting; else it ends with what is there.
        is_last: nothing will be written after what it brings.
    """

    stream: LogStream
    follows: bool
    is_last: bool


class ContainerLog:
    """One replica's output.

    What is there is read first; then the engine is asked to send what comes, on a connection that stays open.

    Args:
        watch: the job.
        container: the replica's container.
        stream: which output.
        since: leave out what was written before.
        until: leave out what was written at this time or later.
    """

    def __init__(
        self, watch: JobWatch, container: str, *, stream: Stream, since: datetime | None, until: datetime | None
    ) -> None:
        self._watch = watch
        self._container = container
        self._outputs = {"stdout": stream is not Stream.STDERR, "stderr": stream is not Stream.STDOUT}
        self._since = 0 if since is None else max(0, round(since.timestamp() * NANOSECONDS))
        self._until = None if until is None else max(0, round(until.timestamp() * NANOSECONDS))
        self._open: OpenLog | None = None
        self._caught_up = False  # what was there at the beginning is read
        self._pause = False  # the end of what is there has been reached, and not been told yet
        self._done = False
        self._closed_at = float("-inf")

    def read(self, position: object | None, limit: int) -> LogChunk:
        """Whole lines.

        Raises:
            TransientLogError: the engine does not answer, or the connection was lost.
        """
        at = position if isinstance(position, LogPosition) else LogPosition()
        try:
            return self._read(at, limit)
        except (EngineUnreachableError, OSError) as error:
            self.close()
            raise TransientLogError(str(error)) from error
        except EngineError as error:
            self.close()
            if error.status != 404:
                raise
            self._done = True  # the container has been removed
            return LogChunk(*at.rest())
        except BaseException:
            self.close()
            raise

    def finished(self) -> bool:
        """Whether the replica has ended for good and all its lines are read, or the time asked for has passed."""
        return self._done or (self._until is not None and time.time() * NANOSECONDS > self._until + NANOSECONDS)

    def close(self) -> None:
        """Closes the connection; a later read opens a new one."""
        if self._open is not None:
            self._watch.streams.discard(self._open.stream)
            self._open.stream.close()
            self._open = None
            self._closed_at = time.monotonic()

    def _read(self, at: LogPosition, limit: int) -> LogChunk:
        if self._open is None:
            pause, self._pause = self._pause, False
            if not (pause or self._done):
                self._open = self._connect(at)
            if self._open is None:
                return LogChunk(b"", at)
            at = replace(at, replay=at.replay.reconnected())
        opened = self._open
        data, ended = b"", False
        while not data and not ended:
            records, ended = opened.stream.read(limit, wait=not opened.follows)
            data, at = at.admit(records, self._since, self._until)
            if not records and opened.follows:
                break
        if ended:
            self.close()
            self._caught_up = True
            self._pause = bool(data)
            if opened.is_last:
                self._done = True
                rest, at = at.rest()
                data += rest
        return LogChunk(data, at)

    def _connect(self, at: LogPosition) -> OpenLog | None:
        """Opens a stream; None where there is nothing to read now, but may be later."""
        replicas = self._watch.replicas(newer_than=self._closed_at)
        own = next((r for r in replicas if r.container == self._container), None)
        is_last = own is None or (own.ended and (is_terminal(app_state(replicas)) or not may_run_again(own, replicas)))
        runs = own is not None and own.docker_state in ("running", "paused")
        if self._caught_up and not is_last and not runs:
            return None
        may_follow = self._caught_up and not is_last and len(self._watch.streams) < MAX_STREAMS
        since = max(self._since, at.replay.resume_from or 0)
        stream = self._watch.engine.open_log(
            self._container,
            **self._outputs,
            since=format_time(since) if since else None,
            until=None if self._until is None else format_time(self._until),
            follow=may_follow,
        )
        opened = OpenLog(stream, follows=may_follow and stream.selectable, is_last=is_last)
        if opened.follows:
            self._watch.streams.add(stream)
        return opened
