"""What a replica writes reaches its files whole: each stream byte by byte, the combined file line by line."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from torchx.schedulers._local import output
from torchx.schedulers._local.output import STREAMS, Output

PIECES = st.lists(
    st.tuples(st.sampled_from(STREAMS), st.text("ab\n", min_size=1, max_size=12).map(str.encode)), max_size=30
)


def lines(data: bytes) -> Counter[bytes]:
    return Counter(line for line in data.split(b"\n") if line)


def check(folder: Path, written: list[tuple[str, bytes]]) -> None:
    streams = {stream: b"".join(data for name, data in written if name == stream) for stream in STREAMS}
    assert {stream: (folder / stream).read_bytes() for stream in STREAMS} == streams
    assert lines((folder / "combined.log").read_bytes()) == sum(map(lines, streams.values()), Counter())


@given(pieces=PIECES, longest=st.integers(0, 8), killed_after=st.integers(0, 30))
def test_lines_stay_whole(pieces: list[tuple[str, bytes]], longest: int, killed_after: int) -> None:
    with tempfile.TemporaryDirectory() as name, mock.patch.multiple(output, _LONGEST_LINE=longest, _READ_SIZE=3):
        folder = Path(name)
        kept = Output(name)
        for stream, data in pieces[:killed_after]:
            kept.write(stream, data)
        # Whoever takes over finds the partial lines in the files.
        heir = Output(name)
        heir.restore_partial()
        for stream, data in pieces[killed_after:]:
            heir.write(stream, data)
        heir.close()
        check(folder, pieces)


def test_line_of_many_megabytes_is_not_cut_by_the_other_stream(tmp_path: Path) -> None:
    kept = Output(str(tmp_path))
    out, err = STREAMS
    written = []
    for number in range(40):
        written += [(out, b"x" * 100_000), (err, b"error %d\n" % number)]
    written += [(out, b"the end\n")]
    for stream, data in written:
        kept.write(stream, data)
    kept.close()
    check(tmp_path, written)
    assert (tmp_path / "combined.log").read_bytes().endswith(b"xthe end\n")
