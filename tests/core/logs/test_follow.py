from __future__ import annotations

import itertools
import logging
import threading
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.logs.sources import EndlessSource, FakeTime, MemorySource, ScriptedSource
from torchx.errors import TorchXError
from torchx.schedulers.log_sources import FileSource
from torchx.schedulers.logs import (
    GIVE_UP_AFTER,
    MAX_IDLE,
    READ_LIMIT,
    InvalidRegexError,
    LogChunk,
    LogSource,
    TransientLogError,
    follow,
    iter_lines,
)

if TYPE_CHECKING:
    from pathlib import Path

LINES = st.lists(st.sampled_from(["", "loss=0.5", "é", "\U0001f600", "a\rb", "x" * 50]), max_size=20)
# How many bytes each read brings; 0: a pause, -1: a failure that may pass.
CUTS = st.lists(st.integers(min_value=-1, max_value=40), max_size=30)


def collect(sources: dict[int, MemorySource], *, should_tail: bool) -> tuple[dict[int, list[bytes]], FakeTime]:
    time = FakeTime()
    blocks: dict[int, list[bytes]] = {key: [] for key in sources}
    for key, block in follow(sources, should_tail=should_tail, wait=time.wait, clock=time.clock):
        blocks[key].append(block)
    return blocks, time


@given(st.lists(st.tuples(LINES, st.booleans(), CUTS), max_size=4))
def test_every_line_arrives_whole_once_and_in_order(logs: list[tuple[list[str], bool, list[int]]]) -> None:
    texts = ["\n".join(lines) + "\n" * ended for lines, ended, _ in logs]
    sources = {i: MemorySource(texts[i].encode(), cuts=cuts) for i, (_, _, cuts) in enumerate(logs)}
    got, _ = collect(sources, should_tail=True)
    for i, text in enumerate(texts):
        assert b"".join(got[i]).decode() == text
        assert all(block.endswith(b"\n") for block in got[i][:-1])
        assert sources[i].closed == 1


@given(LINES, st.lists(st.sampled_from([-1, 1, 2, 3, 7]), max_size=30))
def test_without_tail_failures_are_survived_as_well(lines: list[str], cuts: list[int]) -> None:
    text = "\n".join(lines).encode()
    got, _ = collect({0: MemorySource(text, cuts=cuts, done=False)}, should_tail=False)
    assert b"".join(got[0]) == text


def test_without_tail_it_ends_at_what_is_there_and_asks_for_no_state() -> None:
    source = MemorySource(b"a\nb\npartial", done=False)
    got, time = collect({0: source}, should_tail=False)
    assert got[0] == [b"a\nb\n", b"partial"]
    assert (source.finished_calls, time.waits) == (0, [])


def test_what_is_written_between_the_last_read_and_the_end_is_not_lost() -> None:
    source = MemorySource(b"a\n")

    def finish() -> bool:
        if len(source.data) == 2:
            source.data += b"last words"
        return True

    scripted = ScriptedSource(lambda position: source.read(position, 100), finish)
    assert [block for _, block in follow({0: scripted}, should_tail=True)] == [b"a\n", b"last words"]


def test_the_state_is_asked_for_only_when_nothing_came() -> None:
    source = MemorySource(b"line\n" * 100, cuts=[5] * 90)
    collect({0: source}, should_tail=True)
    assert source.reads > 90
    assert source.finished_calls == 1


def test_a_stream_that_pauses_or_closes_is_not_at_its_end() -> None:
    source = MemorySource(b"a\nb\n", cuts=[2, 0, 0, 0, 0, 0, 0, 2, 0])
    got, _ = collect({0: source}, should_tail=True)
    assert got[0] == [b"a\n", b"b\n"]


def test_idle_pauses_grow_and_shrink_again_with_data() -> None:
    source = MemorySource(b"a\nb\n", cuts=[2] + [0] * 40 + [2, 0, 0])
    _, time = collect({0: source}, should_tail=True)
    grown = max(time.waits)
    assert MAX_IDLE / 2 < grown <= MAX_IDLE
    assert time.waits[0] < 0.002
    assert time.waits[-1] < 0.005


def test_idle_sources_share_their_wake_ups() -> None:
    time = FakeTime()
    sources = {i: MemorySource(done=False) for i in range(200)}
    end = time.now + 10

    def wait(seconds: float) -> None:
        time.wait(seconds)
        if time.now >= end:
            for source in sources.values():
                source.done = True

    assert list(follow(sources, should_tail=True, wait=wait, clock=time.clock)) == []
    assert len(time.waits) < 60
    assert max(source.reads for source in sources.values()) < 60


def test_a_wait_that_returns_early_has_all_idle_sources_read_at_once() -> None:
    time = FakeTime()
    source = MemorySource(done=False)
    written_at: list[float] = []

    def wait(seconds: float) -> None:
        if len(time.waits) < 20:
            time.wait(seconds)
        elif not written_at:
            time.wait(seconds / 100)
            source.data += b"new\n"
            source.done = True
            written_at.append(time.now)

    blocks = [(block, time.now) for _, block in follow({0: source}, should_tail=True, wait=wait, clock=time.clock)]
    assert blocks == [(b"new\n", written_at[0])]


def test_being_woken_early_does_not_cut_the_pause_after_a_failure_short() -> None:
    time = FakeTime()
    reads: list[float] = []

    def read(position: object | None) -> LogChunk:
        reads.append(time.now)
        if len(reads) == 1:
            raise TransientLogError("connection lost")
        return LogChunk(b"", None)

    list(
        follow(
            {0: ScriptedSource(read)}, should_tail=True, wait=lambda s: time.wait(max(s / 3, 0.001)), clock=time.clock
        )
    )
    assert len(time.waits) > 3
    assert reads[1] - reads[0] >= 0.1


def test_sources_with_much_to_say_take_turns() -> None:
    sources: dict[int, LogSource] = {i: EndlessSource() for i in range(5)}
    sources[99] = MemorySource(b"short\n")
    blocks = follow(sources, should_tail=True)
    keys = [key for key, _ in itertools.islice(blocks, 101)]
    blocks.close()
    assert keys.index(99) < 6
    assert Counter(keys) == {0: 20, 1: 20, 2: 20, 3: 20, 4: 20, 99: 1}


def test_thousands_of_sources_are_followed_without_threads() -> None:
    threads = threading.active_count()
    sources = {i: MemorySource(b"%d\n" % i, cuts=[0, 0, 1]) for i in range(3000)}
    got, _ = collect(sources, should_tail=True)
    assert threading.active_count() == threads
    assert all(got[i] == [b"%d\n" % i] for i in range(3000))


def test_a_source_that_keeps_failing_is_given_up_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    time = FakeTime()
    bad = MemorySource(b"a\npartial", cuts=[9] + [-1] * 1000)
    good = MemorySource(b"x\ny\n", cuts=[2] + [0] * 3000)
    blocks: list[tuple[str, bytes]] = []
    start = time.now
    with caplog.at_level(logging.WARNING), pytest.raises(TransientLogError, match="connection lost"):
        for key, block in follow({"bad": bad, "good": good}, should_tail=True, wait=time.wait, clock=time.clock):
            blocks.append((key, block))
    assert blocks == [("bad", b"a\n"), ("good", b"x\n"), ("bad", b"partial"), ("good", b"y\n")]
    assert "bad" in caplog.text
    assert time.now - start > GIVE_UP_AFTER
    assert (bad.closed, good.closed) == (1, 1)


def test_success_starts_the_time_to_give_up_anew() -> None:
    failures = [-1] * 12  # One to two minutes each.
    source = MemorySource(b"abcdefgh\n", cuts=list(itertools.chain.from_iterable([*failures, 1] for _ in range(9))))
    got, time = collect({0: source}, should_tail=True)
    assert got[0] == [b"abcdefgh\n"]
    assert time.now - 1000 > GIVE_UP_AFTER


def test_an_unknown_state_is_asked_for_again() -> None:
    time = FakeTime()
    answers = iter([None, False, None, True])

    def finished() -> bool:
        answer = next(answers)
        if answer is None:
            raise TransientLogError("503")
        return answer

    source = ScriptedSource(lambda position: LogChunk(b"" if position else b"a\n", 1), finished)
    assert list(follow({0: source}, should_tail=True, wait=time.wait, clock=time.clock)) == [(0, b"a\n")]
    assert list(answers) == []


def test_an_error_that_will_not_pass_is_raised_and_all_sources_are_closed() -> None:
    def read(position: object | None) -> LogChunk:
        raise TorchXError("forbidden")

    other = MemorySource(b"", done=False)
    with pytest.raises(TorchXError, match="forbidden"):
        list(follow({0: other, 1: ScriptedSource(read)}, should_tail=True))
    assert other.closed == 1


def test_leaving_early_closes_all_sources() -> None:
    sources = [MemorySource(b"a\n" * 3, cuts=[2, 2, 2], done=False) for _ in range(3)]
    blocks = follow(dict(enumerate(sources)), should_tail=True)
    next(blocks)
    blocks.close()
    assert [source.closed for source in sources] == [1, 1, 1]


def test_no_sources_is_no_lines() -> None:
    assert list(follow({}, should_tail=True)) == []


def test_a_million_lines_of_a_file_are_exact_and_memory_stays_flat(tmp_path: Path) -> None:
    path = tmp_path / "combined.log"
    with path.open("wb") as f:
        for start in range(0, 1_000_000, 10_000):
            f.write(b"".join(b"%d the loss is falling \xc3\xa9\n" % i for i in range(start, start + 10_000)))
    size = path.stat().st_size
    lines = total = 0
    tracemalloc.start()
    try:
        for _, block in follow({0: FileSource(path, lambda: True)}, should_tail=True):
            assert block.startswith(b"%d " % lines)
            assert block.endswith(b"\n")
            lines += block.count(b"\n")
            total += len(block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (lines, total) == (1_000_000, size)
    assert peak < 6 * READ_LIMIT


def test_a_million_lines_as_text_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "combined.log"
    path.write_bytes(b"".join(b"%d \xc3\xa9\n" % i for i in range(1_000_000)))
    source = FileSource(path, lambda: True)
    assert all(line == f"{i} é\n" for i, line in enumerate(iter_lines(source)))
    assert sum(1 for _ in iter_lines(source, regex="99 é$")) == 10_000


@given(LINES, st.lists(st.integers(min_value=1, max_value=3), max_size=60))
def test_characters_cut_by_reads_are_whole_in_the_lines(lines: list[str], cuts: list[int]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    assert list(iter_lines(MemorySource(text.encode(), cuts=cuts))) == [f"{line}\n" for line in lines]


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert list(iter_lines(MemorySource(b"a\xff\n\xc3\nb"))) == ["a\ufffd\n", "\ufffd\n", "b"]


def test_a_regex_finds_lines_that_reads_cut() -> None:
    source = MemorySource(b"epoch 1\nloss=0.5\nepoch 2\nloss=0.4", cuts=[10, 3, 9, 1])
    assert list(iter_lines(source, regex=r"loss=0\.\d$")) == ["loss=0.5\n", "loss=0.4"]


def test_a_malformed_regex_is_refused_before_anything_is_read() -> None:
    source = MemorySource(b"a\n")
    with pytest.raises(InvalidRegexError):
        iter_lines(source, regex="(")
    assert source.reads == 0
