"""What the command line reads from trackers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from torchx.errors import UsageError
from torchx.tracker.backend.fsspec import create
from torchx.tracker.query import (
    UnknownRunError,
    artifact_records,
    find_run,
    job_records,
    metadata_record,
    open_tracker,
)

if TYPE_CHECKING:
    from pathlib import Path

    from torchx.tracker.api import TrackerBase

ONE, TWO, CHILD = "slurm://torchx/1", "slurm://other/1", "slurm://torchx/child"


@pytest.fixture
def tracker(tmp_path: Path) -> TrackerBase:
    tracker = create(str(tmp_path))
    tracker.add_metadata(ONE, lr=0.1)
    tracker.add_artifact(ONE, "model", "/m", {"step": 1})
    tracker.add_artifact(ONE, "log", "/l")
    tracker.add_metadata(TWO, lr=0.2)
    tracker.add_metadata(CHILD, lr=0.3)
    tracker.add_source(CHILD, ONE)
    tracker.add_source(ONE, "elsewhere")
    return tracker


def test_the_first_configured_tracker_is_read(tmp_path: Path) -> None:
    create(f"{tmp_path}/a").add_metadata(ONE, a=1)
    tracker = open_tracker({"fsspec": f"{tmp_path}/a", "other": None})
    assert list(tracker.run_ids()) == [ONE]
    with pytest.raises(UsageError, match="no tracker is configured") as caught:
        open_tracker({})
    assert "[torchx:tracker]" in str(caught.value.hint)


def test_jobs(tracker: TrackerBase) -> None:
    assert job_records(tracker) == [{"run_id": TWO}, {"run_id": ONE}, {"run_id": CHILD}]


@pytest.mark.parametrize(
    ("parent", "children"),
    [
        pytest.param(ONE, [CHILD], id="full-id"),
        pytest.param("elsewhere", [ONE], id="never-ran-here"),
        pytest.param("child", [], id="app-id-without-children"),
    ],
)
def test_jobs_of_a_parent(tracker: TrackerBase, parent: str, children: list[str]) -> None:
    assert job_records(tracker, parent) == [{"run_id": child} for child in children]


def test_metadata(tracker: TrackerBase) -> None:
    assert metadata_record(tracker, ONE) == {"lr": 0.1}
    assert metadata_record(tracker, "child") == {"lr": 0.3}


def test_artifacts(tracker: TrackerBase) -> None:
    model = {"name": "model", "path": "/m", "metadata": {"step": 1}}
    assert artifact_records(tracker, ONE) == [model, {"name": "log", "path": "/l", "metadata": None}]
    assert artifact_records(tracker, ONE, "model") == [model]
    with pytest.raises(UsageError, match="no artifact `modell`") as caught:
        artifact_records(tracker, ONE, "modell")
    assert caught.value.hint == "did you mean `model`?"


def test_an_unknown_run_is_told_with_the_nearest(tracker: TrackerBase) -> None:
    with pytest.raises(UnknownRunError, match="there is no run `slurm://torchx/chil`") as caught:
        find_run(tracker, "slurm://torchx/chil")
    assert CHILD in str(caught.value.hint)
    with pytest.raises(UnknownRunError):
        job_records(tracker, "nothing")


def test_an_app_id_of_several_runs_is_told(tracker: TrackerBase) -> None:
    with pytest.raises(UnknownRunError, match="`1` is the app id of 2 runs") as caught:
        metadata_record(tracker, "1")
    assert caught.value.hint == f"one of: {TWO}, {ONE}"
