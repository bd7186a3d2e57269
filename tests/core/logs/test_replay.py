from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from torchx.schedulers.replay import ReplayPosition


@st.composite
def logs(draw: st.DrawFn) -> tuple[int, list[tuple[int, bytes]]]:
    """Records whose timestamps fall back by at most an overlap; many equal ones."""
    overlap = draw(st.integers(0, 3))
    records = []
    newest = 0
    for step, late, data in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from([b"a", b"b"])))
    ):
        timestamp = max(newest + step - min(late, overlap), newest - overlap)
        newest = max(newest, timestamp)
        records.append((timestamp, data))
    return overlap, records


@given(logs(), st.data())
def test_every_record_is_delivered_once_whatever_is_sent_again(
    log: tuple[int, list[tuple[int, bytes]]], data: st.DataObject
) -> None:
    overlap, records = log
    position = ReplayPosition(overlap=overlap)
    delivered: list[bytes] = []
    connections = data.draw(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4), st.integers(0, 3)), max_size=5))
    for length, batch, coarseness in [*connections, (len(records), 3, 0)]:
        position = position.reconnected()
        since = position.resume_from
        stream = records if since is None else [r for r in records if r[0] >= since - coarseness]
        for start in range(0, min(length, len(stream)), batch):
            fresh, position = position.admit(stream[start : min(start + batch, length)])
            delivered += fresh
    assert delivered == [text for _, text in records]


def test_only_what_may_be_sent_again_is_remembered() -> None:
    position = ReplayPosition(overlap=10)
    for start in range(0, 10_000, 100):
        _, position = position.admit([(i, b"x") for i in range(start, start + 100)])
    assert sum(len(batch) for _, batch in position._seen) < 1000


def test_a_position_is_a_value() -> None:
    start = ReplayPosition()
    _, first = start.admit([(1, b"a")])
    assert start.admit([(1, b"a")])[0] == [b"a"]
    assert first.reconnected().admit([(1, b"a")])[0] == []
    assert first.reconnected().admit([(1, b"a")])[0] == []
