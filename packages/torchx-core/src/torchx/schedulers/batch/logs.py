"""The log files of a job's replicas as sources for the log engine."""

from __future__ import annotations

import contextlib
import os
import time

from torchx.errors import TorchXError, TransientError
from torchx.schedulers.batch.replica_states import parse_note
from torchx.schedulers.lines import LineAssembler
from torchx.schedulers.log_sources import FileSource, polled
from torchx.schedulers.logs import LogChunk, TransientLogError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from torchx.schedulers.batch.commands import Commands
    from torchx.schedulers.logs import LogSource

NOTE_AGE = 1.0
"""Seconds between two looks at a replica's own note of its end."""

FETCH_EVERY = 1.0
"""Seconds between two reads from a login node, which bring what is new of all logs that are followed."""


class ReplicaFile:
    """One log file of one replica on this machine.

    Args:
        path: the file.
        finished: whether nothing will be written to it any more.
    """

    def __init__(self, path: str, finished: Callable[[], bool]) -> None:
        self._path = path
        self._finished = finished
        self._file = FileSource(path, finished)

    def read(self, position: object | None, limit: int) -> LogChunk:
        """As `LogSource.read`; positions are byte offsets."""
        return self._file.read(position, limit)

    def finished(self) -> bool:
        """Whether nothing will be written any more."""
        if not self._finished():
            return False
        with contextlib.suppress(OSError):  # never begun
            # Opening makes an NFS client ask for the file's size; what another node wrote last would be missed else.
            os.close(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC))
        return True

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class MergedSource:
    """Several logs as one, whole lines in the order in which they are found.

    A line that has no end yet waits for it, and holds up none of the others.

    Args:
        sources: the logs.
    """

    def __init__(self, *sources: LogSource) -> None:
        self._sources = sources
        self._lines = [LineAssembler() for _ in sources]
        self._positions: list[object | None] = [None for _ in sources]
        self._served = 0

    def read(self, position: object | None, limit: int) -> LogChunk:
        """What is new. Positions only count: a source is read once, from its start to its end."""
        while True:
            blocks, fresh = self._next(limit)
            if not any(blocks):
                if fresh:  # a part of a long line
                    continue
                if not self.finished():
                    return LogChunk(b"", self._served)
                rests = [lines.flush() for lines in self._lines]
                blocks = [b"\n".join(rest for rest in rests if rest)]
            self._served += 1
            return LogChunk(b"".join(blocks), self._served)

    def _next(self, limit: int) -> tuple[list[bytes], bool]:
        """The whole lines that one read of each log brings, and whether it brought anything."""
        blocks: list[bytes] = []
        fresh = False
        for i, source in enumerate(self._sources):
            try:
                chunk = source.read(self._positions[i], limit // len(self._sources))
            except TransientLogError:
                if not any(blocks):
                    raise
                break  # what the others brought is not read again
            self._positions[i] = chunk.position
            fresh = fresh or bool(chunk.data)
            blocks.append(self._lines[i].feed(chunk.data))
        return blocks, fresh

    def finished(self) -> bool:
        """Whether nothing will be written any more."""
        return all(source.finished() for source in self._sources)

    def close(self) -> None:
        """Closes the logs."""
        for source in self._sources:
            close = getattr(source, "close", None)
            if close is not None:
                close()


def has_ended(note_path: str | None, job_ended: Callable[[], bool], attempt_is_last: bool) -> Callable[[], bool]:
    """Whether a replica has ended for good: by its own note where that is final, else by the batch system's word.

    Args:
        note_path: the replica's state file, if it can be read from here.
        job_ended: whether the whole job has ended; shared by all replicas of it, and asked for rarely.
        attempt_is_last: no replica is started again.
    """

    def look() -> bool:
        if note_path is not None and attempt_is_last:
            try:
                with open(note_path, "rb") as file:
                    note = parse_note(file.read())
                if note is not None and note.code is not None:
                    return True
            except OSError:  # not begun, or not to be read just now
                pass
        try:
            return job_ended()
        except TransientError as error:
            raise TransientLogError(str(error)) from error

    return polled(look, every=NOTE_AGE)


FETCH_AT_MOST, FETCH_AT_LEAST = 32_000_000, 4096
"""Bytes that one read from a login node brings of all logs together, and of each of them if there are that many."""

# Lines `OFFSET PATH` come as input: there is little room on a command line. One process looks at all sizes.
_FETCH = """\
LC_ALL=C; export LC_ALL; list=$(cat)
printf '%s\\n' "$list" | cut -d ' ' -f 2- | tr '\\n' '\\0' | xargs -0 stat -L -c '%s %n' -- 2>/dev/null |
{ cat; echo; printf '%s\\n' "$list"; } |
awk -v limit="$1" '
  { at = index($0, " "); number = substr($0, 1, at - 1); path = substr($0, at + 1) }
  !wanted && $0 == "" { wanted = 1; next }
  !wanted { size[path] = number; next }
  { n = size[path] - number; if (n > limit) n = limit; print (n > 0 ? n : 0) " " $0 }
' | while IFS= read -r line; do
  n=${line%% *} rest=${line#* }; o=${rest%% *} p=${rest#* }
  [ -r "$p" ] || n=0
  echo "$n"
  if [ "$n" -gt 0 ] && [ "$o" -eq 0 ]; then head -c "$n" -- "$p"
  elif [ "$n" -gt 0 ]; then tail -c "+$((o + 1))" -- "$p" | head -c "$n"; fi
done
"""


class RemoteLogs:
    """All logs of a job that are followed on a login node: one command brings what is new in all of them.

    Args:
        commands: run on the login node.
        clock: monotonic seconds.
    """

    def __init__(self, commands: Commands, clock: Callable[[], float] = time.monotonic) -> None:
        self._commands = commands
        self._clock = clock
        self._offsets: dict[str, int] = {}
        self._fresh: dict[str, bytes] = {}
        self._due = float("-inf")

    def source(self, path: str, finished: Callable[[], bool]) -> LogSource:
        """One file of them.

        Raises:
            TorchXError: its path holds a line end.
        """
        if "\n" in path:
            raise TorchXError(f"can't follow a log whose path holds a line end: {path!r}")
        self._offsets[path] = 0
        self._due = float("-inf")  # it must not be taken for empty before it has been asked for
        return _RemoteFile(self, path, finished)

    def take(self, path: str, limit: int) -> bytes:
        """What is new in a file; empty where nothing is, or where it is too early to ask again."""
        if not self._fresh.get(path) and self._clock() >= self._due:
            self._fetch(limit)
        data = self._fresh.get(path, b"")
        self._fresh[path] = data[limit:]
        return data[:limit]

    def forget(self, path: str) -> None:
        """A file is followed no longer."""
        self._offsets.pop(path, None)
        self._fresh.pop(path, None)

    def hurry(self) -> None:
        """The next read asks, however short ago the last one was."""
        self._due = float("-inf")

    def _fetch(self, limit: int) -> None:
        wanted = [path for path in self._offsets if not self._fresh.get(path)]
        limit = min(limit, max(FETCH_AT_LEAST, FETCH_AT_MOST // max(len(wanted), 1)))
        listed = b"".join(b"%d %s\n" % (self._offsets[path], os.fsencode(path)) for path in wanted)
        try:
            result = self._commands.run(["sh", "-c", _FETCH, "sh", str(limit)], stdin=listed)
        except TransientError as error:
            raise TransientLogError(error.message) from error
        if result.returncode:
            raise TransientLogError(f"can't read logs on {self._commands.host}: {result.stderr}")
        rest = memoryview(result.stdout)
        found = False
        for path in wanted:
            size = bytes(rest[:32]).partition(b"\n")[0]
            rest = rest[len(size) + 1 :]
            count = int(size)
            self._fresh[path] = bytes(rest[:count])
            self._offsets[path] += count
            found = found or count > 0
            rest = rest[count:]
        self._due = self._clock() if found else self._clock() + FETCH_EVERY


class _RemoteFile:
    def __init__(self, logs: RemoteLogs, path: str, finished: Callable[[], bool]) -> None:
        self._logs = logs
        self._path = path
        self._finished = finished
        self._was_finished = False

    def read(self, position: object | None, limit: int) -> LogChunk:
        offset = position if isinstance(position, int) else 0
        data = self._logs.take(self._path, limit)
        return LogChunk(data, offset + len(data))

    def finished(self) -> bool:
        if self._finished() and not self._was_finished:
            self._was_finished = True
            self._logs.hurry()
        return self._was_finished

    def close(self) -> None:
        self._logs.forget(self._path)
