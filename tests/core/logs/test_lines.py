from __future__ import annotations

import itertools
import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.errors import UsageError
from torchx.schedulers.lines import (
    InvalidRegexError,
    LineAssembler,
    compile_regex,
    decode_lines,
    filter_block,
    filter_regex,
    split_lines,
    split_lines_iterator,
)

# Newlines, multi-byte characters, half characters and what other splitters take for line ends.
PIECES = st.sampled_from(
    [
        b"\n",
        b"\n\n",
        b"loss=0.5",
        b"\r",
        b"\x0c",
        b"\x00",
        "é".encode(),
        "\u2028".encode(),
        "\U0001f600".encode(),
        b"\xf0\x9f",
        b"\xff",
    ]
)
LOGS = st.lists(PIECES, max_size=30).map(b"".join)
TEXTS = st.lists(
    st.sampled_from(["\n", "a", "loss=0.5", "\r", "\x0c", "\u2028", "\x85", "é", "\U0001f600"]), max_size=30
).map("".join)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    bounds = [0, *sorted(i % (len(data) + 1) for i in at), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(bounds)]


@given(LOGS, st.lists(st.integers(min_value=0), max_size=10))
def test_assembled_blocks_are_whole_lines_and_lose_nothing(log: bytes, at: list[int]) -> None:
    lines = LineAssembler()
    blocks = [block for piece in cut(log, at) if (block := lines.feed(piece))]
    rest = lines.flush()
    assert all(block.endswith(b"\n") for block in blocks)
    assert b"\n" not in rest
    assert b"".join(blocks) + rest == log


def test_a_line_is_given_out_with_the_piece_that_ends_it() -> None:
    lines = LineAssembler()
    assert [lines.feed(piece) for piece in (b"a", b"b\nc", b"\n\nd")] == [b"", b"ab\n", b"c\n\n"]
    assert [lines.flush(), lines.flush()] == [b"d", b""]


def test_a_line_of_100_mb_costs_little_more_than_its_size() -> None:
    piece = b"x" * (256 * 1024)
    count = 400
    lines = LineAssembler()
    tracemalloc.start()
    try:
        for _ in range(count):
            assert lines.feed(piece) == b""
        block = lines.feed(b"\n")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(block) == count * len(piece) + 1
    assert peak < 1.3 * len(block)


@given(LOGS, st.sampled_from(["loss", "^$", "a|é", "\ufffd", "5$", r"\s$", "^[^x]", "\u2028"]))
def test_filtering_a_block_is_filtering_its_lines(log: bytes, regex: str) -> None:
    lines = re.findall(rb"[^\n]*\n|[^\n]+", log)
    kept = [line for line in lines if re.search(regex, line.removesuffix(b"\n").decode("utf-8", "replace"))]
    assert filter_block(log, regex) == b"".join(kept)


@given(LOGS)
def test_decoded_lines_are_the_lines_of_the_block(log: bytes) -> None:
    lines = decode_lines(log)
    assert len(lines) == log.count(b"\n") + (not log.endswith(b"\n") and log != b"")
    assert "".join(lines) == log.decode("utf-8", "replace")


@given(TEXTS)
def test_split_lines_splits_at_newlines_alone(text: str) -> None:
    lines = split_lines(text)
    assert "".join(lines) == text
    assert all(line.endswith("\n") for line in lines[:-1])
    assert all("\n" not in line[:-1] and line for line in lines)


@given(TEXTS, st.lists(st.integers(min_value=0), max_size=10))
def test_chunks_cut_anywhere_become_the_same_lines(text: str, at: list[int]) -> None:
    bounds = [0, *sorted(i % (len(text) + 1) for i in at), len(text)]
    chunks = [text[a:b] for a, b in itertools.pairwise(bounds)]
    assert list(split_lines_iterator(chunks)) == split_lines(text)


def test_lines_of_a_chunk_are_given_out_before_the_next_is_asked_for() -> None:
    asked: list[int] = []

    def chunks() -> object:
        for i, chunk in enumerate(["a\nb", "c\n"]):
            asked.append(i)
            yield chunk

    lines = split_lines_iterator(chunks())  # type: ignore[arg-type]  # a generator, typed loosely above
    assert (next(lines), asked) == ("a\n", [0])
    assert (list(lines), asked) == (["bc\n"], [0, 1])


def test_filter_regex_searches_lines_without_their_end() -> None:
    assert list(filter_regex(r"[^x]$", ["ax\n", "xa\n", "a"])) == ["xa\n", "a"]


@pytest.mark.parametrize("regex", ["(", "[a", "*x", "a{2,1}", "(?P<n"], ids=repr)
def test_a_malformed_regex_is_a_usage_error_that_names_it(regex: str) -> None:
    with pytest.raises(InvalidRegexError, match=re.escape(repr(regex))) as failure:
        filter_regex(regex, [])
    assert isinstance(failure.value, UsageError)
    assert isinstance(failure.value, ValueError)
    with pytest.raises(InvalidRegexError):
        filter_block(b"", regex)


def test_a_compiled_regex_is_taken_as_it_is() -> None:
    pattern = re.compile("LOSS", re.IGNORECASE)
    assert compile_regex(pattern) is pattern
    assert filter_block(b"a\nloss\n", pattern) == b"loss\n"
