"""Log streams come in pieces that are cut anywhere."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx_docker.frames import (
    LONGEST_PIECE,
    NANOSECONDS,
    STDERR,
    STDOUT,
    ChunkDecoder,
    FrameDecoder,
    LogDecoder,
    format_time,
    parse_time,
)
from torchx_docker.logs import LogPosition

TIME = b"2026-01-02T03:04:05.000000006Z"

records = st.lists(
    st.tuples(st.sampled_from([STDOUT, STDERR]), st.integers(0, 2**40), st.binary(max_size=50)), max_size=20
)


def frame(stream: int, when: int, data: bytes) -> bytes:
    seconds, nanoseconds = divmod(when, NANOSECONDS)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    stamp = f"1970-01-{1 + hours // 24:02}T{hours % 24:02}:{minute:02}:{second:02}.{nanoseconds:09}Z "
    body = stamp.encode() + data
    return bytes([stream, 0, 0, 0]) + len(body).to_bytes(4, "big") + body


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in itertools.pairwise(at)]


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=10), st.lists(st.integers(0, 10**6), max_size=20))
def test_chunks_are_undone_wherever_they_are_cut(chunks: list[bytes], cuts: list[int]) -> None:
    sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    decoder = ChunkDecoder()
    assert b"".join(decoder.feed(piece) for piece in pieces(sent, cuts)) == b"".join(chunks)
    assert decoder.ended


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=3))
def test_a_stream_that_is_cut_off_has_not_ended(chunks: list[bytes]) -> None:
    decoder = ChunkDecoder()
    decoder.feed(b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks))
    assert not decoder.ended


@pytest.mark.parametrize("sent", [b"hello\r\n", b"3\r\nabcd\r\n"], ids=["no length", "wrong length"])
def test_what_is_no_chunk_is_refused(sent: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        ChunkDecoder().feed(sent)


@given(records, st.lists(st.integers(0, 10**6), max_size=20))
def test_frames_are_undone_wherever_they_are_cut(sent: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    decoder = FrameDecoder()
    data = b"".join(frame(*record) for record in sent)
    assert [record for piece in pieces(data, cuts) for record in decoder.feed(piece)] == sent


@given(
    st.lists(st.sampled_from([b"", b"a", b"b c", b"2026-01", b"d" * LONGEST_PIECE, b"e" * (2 * LONGEST_PIECE + 5)])),
    st.booleans(),
    st.lists(st.integers(0, 10**6), max_size=20),
)
def test_a_terminals_log_is_undone_wherever_it_is_cut(lines: list[bytes], ends: bool, cuts: list[int]) -> None:
    written = [line + b"\r\n" for line in lines] + ([] if ends else [b"no end"])
    parts = [line[n : n + LONGEST_PIECE] for line in written for n in range(0, len(line), LONGEST_PIECE)]
    decoder = LogDecoder()
    sent = b"".join(TIME + b" " + part for part in parts)
    found = [record for piece in pieces(sent, cuts) for record in decoder.feed(piece)] + decoder.rest()
    assert {(stream, when) for stream, when, _ in found} <= {(STDOUT, parse_time(TIME))}
    assert b"".join(data for _, _, data in found).replace(b"\r\n", b"\n") == b"".join(written).replace(b"\r\n", b"\n")


def test_a_frame_without_a_time_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be read"):
        list(FrameDecoder().feed(b"\x01\0\0\0\0\0\0\x05hello"))


@pytest.mark.parametrize(
    ("stamp", "nanoseconds"),
    [(TIME, 6), (TIME.replace(b".000000006", b".5"), 500_000_000), (TIME.replace(b".000000006", b""), 0)],
    ids=["nine digits", "one digit", "none"],
)
def test_times_keep_their_nanoseconds(stamp: bytes, nanoseconds: int) -> None:
    assert parse_time(stamp) % NANOSECONDS == nanoseconds
    assert format_time(parse_time(stamp)) == f"1767323045.{nanoseconds:09}"


# -- positions -----------------------------------------------------------------------------------------------------


def read(position: LogPosition, *records: tuple[int, int, bytes]) -> tuple[bytes, LogPosition]:
    return position.admit([*records], 0, None)


def test_parts_of_long_lines_wait_for_their_end_each_in_its_own_stream() -> None:
    lines, position = read(LogPosition(), (STDOUT, 1, b"out "), (STDERR, 2, b"err\n"), (STDERR, 3, b"more "))
    assert lines == b"err\n"
    lines, position = read(position, (STDOUT, 1, b"end\n"))
    assert lines == b"out end\n"
    assert position.rest()[0] == b"more "


def test_rests_of_both_streams_are_two_lines() -> None:
    _, position = read(LogPosition(), (STDOUT, 1, b"out"), (STDERR, 2, b"err"))
    rest, position = position.rest()
    assert rest == b"out\nerr"
    assert position.rest()[0] == b""


def test_what_is_sent_again_after_a_reconnect_is_taken_once() -> None:
    first = [(STDOUT, 5 * NANOSECONDS + n, b"same\n") for n in (0, 0, 1)]
    lines, position = read(LogPosition(), *first)
    assert lines == b"same\n" * 3
    again = LogPosition(position.replay.reconnected(), position.out, position.err)
    lines, _ = read(again, *first, (STDERR, 5 * NANOSECONDS, b"same\n"), (STDOUT, 6 * NANOSECONDS, b"new\n"))
    assert lines == b"same\nnew\n"


def test_lines_outside_of_the_times_asked_for_are_left_out() -> None:
    records = [(STDOUT, n, b"%d\n" % n) for n in range(5)]
    assert LogPosition().admit(records, 1, 3)[0] == b"1\n2\n"
