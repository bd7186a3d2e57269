from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from torchx.errors import TorchXError
from torchx.schedulers.streams import Tee

if TYPE_CHECKING:
    from pathlib import Path


def test_sources_are_joined_line_by_line(tmp_path: Path) -> None:
    stdout, stderr, combined = (tmp_path / name for name in ("stdout.log", "stderr.log", "combined.log"))
    tee = Tee(io.FileIO(combined, "w"), str(stdout), str(stderr))
    with stdout.open("wb", buffering=0) as out, stderr.open("wb", buffering=0) as err:
        for i in range(500):
            out.write(b"out ")
            err.write(b"err %d\n" % i)
            out.write(b"%d\n" % i)
    assert tee.write(b"done\n") == 5
    tee.close()
    lines = combined.read_bytes().splitlines(keepends=True)
    assert [line for line in lines if line.startswith(b"out")] == [b"out %d\n" % i for i in range(500)]
    assert [line for line in lines if line.startswith(b"err")] == [b"err %d\n" % i for i in range(500)]
    assert lines.count(b"done\n") == 1
    assert len(lines) == 1001


def test_closing_twice_is_fine_and_a_missing_source_is_empty(tmp_path: Path) -> None:
    out = io.FileIO(tmp_path / "combined.log", "w")
    tee = Tee(out, str(tmp_path / "never"))
    tee.close()
    tee.close()
    assert out.closed
    assert (tmp_path / "combined.log").read_bytes() == b""


def test_a_source_that_cannot_be_read_is_told_by_close(tmp_path: Path) -> None:
    out = io.FileIO(tmp_path / "combined.log", "w")
    tee = Tee(out, str(tmp_path))
    with pytest.raises(TorchXError, match="cannot read the log file"):
        tee.close()
    assert out.closed
