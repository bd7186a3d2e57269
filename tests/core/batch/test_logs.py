"""Several logs as one."""

from __future__ import annotations

import pytest

from torchx.schedulers.batch.logs import MergedSource
from torchx.schedulers.logs import LogChunk, TransientLogError

LIMIT = 1000


class Scripted:
    """A source that brings one text after the other; None stands for a lost connection."""

    def __init__(self, *texts: bytes | None) -> None:
        self._texts = [*texts]

    def read(self, position: object | None, limit: int) -> LogChunk:
        text = self._texts.pop(0) if self._texts else b""
        if text is None:
            raise TransientLogError("connection lost")
        return LogChunk(text, position)

    def finished(self) -> bool:
        return not self._texts


def told(source: MergedSource, lost: int = 0) -> bytes:
    """Everything that a source brings, if so many reads of it fail."""
    found = b""
    while True:
        try:
            chunk = source.read(None, LIMIT)
        except TransientLogError:
            lost -= 1
            assert lost >= 0
            continue
        found += chunk.data
        if not chunk.data and source.finished():
            return found


def test_lines_of_one_log_outlive_the_lost_connection_of_another() -> None:
    source = MergedSource(Scripted(b"a\n", b"b\n", b"c\n"), Scripted(None, None, b"x\n"))
    assert told(source) == b"a\nb\nc\nx\n"


def test_a_part_of_a_line_outlives_a_lost_connection() -> None:
    source = MergedSource(Scripted(b"one, ", b"two\n"), Scripted(None, b"x\n"))
    assert told(source, lost=1) == b"one, two\nx\n"


def test_a_line_without_an_end_holds_up_no_other() -> None:
    source = MergedSource(Scripted(b"one, ", b"", b"two\n"), Scripted(b"x\n"))
    assert source.read(None, LIMIT).data == b"x\n"
    assert told(source) == b"one, two\n"


def test_a_connection_that_is_lost_for_all_is_told() -> None:
    with pytest.raises(TransientLogError):
        MergedSource(Scripted(None), Scripted(None)).read(None, LIMIT)


def test_unfinished_lines_are_told_at_the_end() -> None:
    assert told(MergedSource(Scripted(b"a\nrest"), Scripted(b"x\nother rest"))) == b"a\nx\nrest\nother rest"
