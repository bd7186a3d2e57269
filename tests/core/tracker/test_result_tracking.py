"""Results of trials by key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from torchx.runtime.tracking import FsspecResultTracker

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("base", ["{tmp}", "{tmp}/new/folder", "file://{tmp}/url", "memory://results"])
def test_results_are_read_back_by_key(base: str, tmp_path: Path) -> None:
    url = base.format(tmp=tmp_path)
    writer, reader = FsspecResultTracker(url), FsspecResultTracker(url)
    assert reader[0] == {}
    writer.put(0, loss=0.5, steps=10, note="a")
    writer[1] = {"loss": 0.25}
    assert reader.get(0) == reader[0] == {"loss": 0.5, "steps": 10, "note": "a"}
    assert reader["1"] == {"loss": 0.25}


def test_new_results_take_the_place_of_old_ones(tmp_path: Path) -> None:
    tracker = FsspecResultTracker(str(tmp_path))
    tracker.put("k", a=1, b=2)
    tracker.put("k", a=3)
    assert tracker["k"] == {"a": 3}
    assert os.listdir(tmp_path) == ["k.json"]


@pytest.mark.parametrize("key", ["..", "../x", "/abs", "a/b", "ünï", "a\nb", "*"])
def test_no_key_leaves_the_folder(tmp_path: Path, key: str) -> None:
    (tmp_path / "base").mkdir()
    tracker = FsspecResultTracker(str(tmp_path / "base"))
    tracker.put(key, a=1)
    assert tracker[key] == {"a": 1}
    assert os.listdir(tmp_path) == ["base"]
