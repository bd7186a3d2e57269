"""Logs whose only position is a timestamp: after a reconnect, tell what is repeated from what is new."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Record = tuple[int, int]  # timestamp, hash of the data
_Batch = tuple[int, dict[_Record, int]]  # its newest timestamp, how often each record came

_SMALL = 500
"""Records below which a batch is joined with the one before it."""


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
    _seen: tuple[_Batch, ...] = ()
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
        since = self.newest - self.overlap
        repeats: dict[_Record, int] = {}
        for _, batch in self._seen:
            for record, n in batch.items():
                if record[0] >= since:
                    repeats[record] = repeats.get(record, 0) + n
        return replace(self, _repeats=repeats, _replay_since=since, _replay_until=self.newest)

    def admit(self, records: Iterable[tuple[int, bytes]]) -> tuple[list[bytes], ReplayPosition]:
        """Take the next records of the stream.

        Args:
            records: timestamps (integers of any unit) and data, in the order of the stream.

        Returns:
            the data of those not delivered before, and the position behind them.
        """
        fresh: list[bytes] = []
        batch: dict[_Record, int] = {}
        since = self._replay_since
        repeats = {} if since is None else dict(self._repeats)
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
            batch[record] = batch.get(record, 0) + 1
        if not batch:
            return fresh, replace(self, _repeats=repeats, _replay_since=since)
        latest = max(batch)[0]
        newest = latest if self.newest is None else max(self.newest, latest)
        seen = _with_batch(self._seen, (latest, batch), newest - self.overlap)
        return fresh, replace(self, newest=newest, _seen=seen, _repeats=repeats, _replay_since=since)


def _with_batch(seen: tuple[_Batch, ...], batch: _Batch, since: int) -> tuple[_Batch, ...]:
    """The batches that still count, and one more. None is changed: positions share them."""
    kept = tuple(old for old in seen if old[0] >= since)
    if kept and len(kept[-1][1]) < _SMALL:
        latest, joined = kept[-1][0], dict(kept[-1][1])
        for record, n in batch[1].items():
            joined[record] = joined.get(record, 0) + n
        return (*kept[:-1], (max(latest, batch[0]), joined))
    return (*kept, batch)
