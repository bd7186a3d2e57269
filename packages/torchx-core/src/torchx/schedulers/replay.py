"""Logs whose only position is a timestamp: after a reconnect, tell what is repeated from what is new."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Record = tuple[int, int]  # timestamp, hash of the data


@dataclass(frozen=True)
class ReplayPosition:
    """How far a log of timestamped records has been delivered; the position of a `LogSource`.

    A service that is asked for records since a timestamp sends again what has that timestamp, and, where it only knows
    whole seconds, what came shortly before it. Records are told apart by timestamp, content and number: two equal
    lines of one instant are two lines, also when they are sent again.

    Attributes:
        overlap: by how much a record may be older than one sent before it, in units of the timestamps; records that
            are later than that behind are taken for repeated.
        newest: the latest timestamp delivered; None at the start.

    >>> position = ReplayPosition()
    >>> fresh, position = position.admit([(1, b"a"), (2, b"b")])
    >>> position.resume_from
    2
    >>> fresh, position = position.reconnected().admit([(2, b"b"), (2, b"b"), (3, b"c")])
    >>> fresh
    [b'b', b'c']
    """

    overlap: int = 0
    newest: int | None = None
    _seen: Mapping[_Record, int] = field(default_factory=dict)
    _repeats: Mapping[_Record, int] = field(default_factory=dict)
    _replay_since: int | None = None
    _replay_until: int = 0

    @property
    def resume_from(self) -> int | None:
        """The timestamp since which to ask for records, inclusive; None: from the start."""
        return None if self.newest is None else self.newest - self.overlap

    def reconnected(self) -> ReplayPosition:
        """The same position for a new stream, which was asked for everything since `resume_from` or earlier."""
        if self.newest is None:
            return self
        return replace(self, _repeats=self._seen, _replay_since=self.resume_from, _replay_until=self.newest)

    def admit(self, records: Iterable[tuple[int, bytes]]) -> tuple[list[bytes], ReplayPosition]:
        """Take the next records of the stream.

        Args:
            records: timestamps (integers of any unit) and data, in the order of the stream.

        Returns:
            the data of those not delivered before, and the position behind them.
        """
        fresh: list[bytes] = []
        seen = dict(self._seen)
        repeats = dict(self._repeats)
        since = self._replay_since
        newest = self.newest
        for timestamp, data in records:
            record = (timestamp, hash(data))
            if since is not None:
                if timestamp < since:
                    continue
                if left := repeats.get(record, 0):
                    repeats[record] = left - 1
                    continue
                if timestamp > self._replay_until:
                    since = None
                    repeats.clear()
            fresh.append(data)
            seen[record] = seen.get(record, 0) + 1
            newest = timestamp if newest is None else max(newest, timestamp)
        if newest is not None:
            seen = {record: n for record, n in seen.items() if record[0] >= newest - self.overlap}
        return fresh, replace(self, newest=newest, _seen=seen, _repeats=repeats, _replay_since=since)
