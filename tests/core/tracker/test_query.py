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
    open_trackers,
)

if TYPE_CHECKING:
    from pathlib import Path

    from torchx.tracker.api import TrackerBase

ONE, TWO, CHILD = "slurm://torchx/1", "slurm://other/1", "slurm://torchx/child"


@pytest.fixture
def trackers(tmp_path: Path) -> list[TrackerBase]:
    """Two trackers: a job had both, others one of them."""
    first, second = create(f"{tmp_path}/first"), create(f"{tmp_path}/second")
    for tracker in (first, second):
        tracker.add_metadata(ONE, lr=0.1, tracker="first" if tracker is first else "second")
        tracker.add_artifact(ONE, "model", "/m", {"step": 1})
    second.add_metadata(ONE, loss=2)
    second.add_artifact(ONE, "log", "/l")
    first.add_metadata(TWO, lr=0.2)
    second.add_metadata(CHILD, lr=0.3)
    second.add_source(CHILD, ONE)
    first.add_source(ONE, "elsewhere")
    return [first, second]


def test_all_configured_trackers_are_read(tmp_path: Path) -> None:
    create(f"{tmp_path}/a").add_metadata(ONE, a=1)
    trackers = open_trackers({"fsspec": f"{tmp_path}/a"})
    assert job_records(trackers) == [{"run_id": ONE}]
    with pytest.raises(UsageError, match="no tracker is configured") as caught:
        open_trackers({})
    assert "[torchx:tracker]" in str(caught.value.hint)


def test_jobs(trackers: list[TrackerBase]) -> None:
    assert job_records(trackers) == [{"run_id": TWO}, {"run_id": ONE}, {"run_id": CHILD}]


@pytest.mark.parametrize(
    ("parent", "children"),
    [
        pytest.param(ONE, [CHILD], id="full-id"),
        pytest.param("elsewhere", [ONE], id="never-ran-here"),
        pytest.param("child", [], id="app-id-without-children"),
    ],
)
def test_jobs_of_a_parent(trackers: list[TrackerBase], parent: str, children: list[str]) -> None:
    assert job_records(trackers, parent) == [{"run_id": child} for child in children]


def test_metadata(trackers: list[TrackerBase]) -> None:
    assert metadata_record(trackers, ONE) == {"lr": 0.1, "tracker": "first", "loss": 2}
    assert metadata_record(trackers, "child") == {"lr": 0.3}


def test_artifacts(trackers: list[TrackerBase]) -> None:
    model = {"name": "model", "path": "/m", "metadata": {"step": 1}}
    assert artifact_records(trackers, ONE) == [model, {"name": "log", "path": "/l", "metadata": None}]
    assert artifact_records(trackers, ONE, "model") == [model]
    with pytest.raises(UsageError, match="no artifact `modell`") as caught:
        artifact_records(trackers, ONE, "modell")
    assert caught.value.hint == "did you mean `model`?"


def test_an_unknown_run_is_told_with_the_nearest(trackers: list[TrackerBase]) -> None:
    with pytest.raises(UnknownRunError, match="there is no run `slurm://torchx/chil`") as caught:
        find_run(trackers, "slurm://torchx/chil")
    assert CHILD in str(caught.value.hint)
    with pytest.raises(UnknownRunError):
        job_records(trackers, "nothing")


def test_an_app_id_of_several_runs_is_told(trackers: list[TrackerBase]) -> None:
    with pytest.raises(UnknownRunError, match="`1` is the app id of 2 runs") as caught:
        metadata_record(trackers, "1")
    assert caught.value.hint == f"one of: {TWO}, {ONE}"
