"""The program that evaluates the Booth function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchx.apps.utils.booth_main import booth, main, parse_args
from torchx.runtime.tracking import FsspecResultTracker

if TYPE_CHECKING:
    from pathlib import Path


def test_negative_numbers_are_values() -> None:
    args = parse_args(["--x1", "-1", "--x2=-1e3", "--tracker_base", "x"])
    assert (args.x1, args.x2, args.trial_idx) == (-1.0, -1000.0, 0)


def test_the_minimum() -> None:
    assert booth(1, 3) == 0
    assert booth(0, 0) == 74


def test_the_result_is_printed_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--x1", "1", "--x2", "2", "--trial_idx", "7", "--tracker_base", str(tmp_path)])
    assert FsspecResultTracker(str(tmp_path)).get(7) == {"booth_eval": pytest.approx(5.0)}
    assert "5.0" in capsys.readouterr().out
