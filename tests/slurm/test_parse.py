"""What Slurm's commands printed, in all versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchx.specs.api import AppState
from torchx_slurm import parse_json, parse_text
from torchx_slurm.parse_text import SEPARATOR
from torchx_slurm.status import SlurmRow, to_job

if TYPE_CHECKING:
    from torchx.schedulers.batch.job import BatchJob

DATA = Path(__file__).parent / "data"
VERSIONS = sorted(path.name for path in DATA.iterdir() if (path / "squeue.json").exists())

KEYS = (
    *("job_id", "name", "job_state", "state_reason", "exit_code", "het_job_id", "het_job_offset", "array_job_id"),
    *("array_task_id", "nodes", "restart_cnt", "command", "comment", "state", "current", "reason", "het", "array"),
    *("job_offset", "task_id", "steps", "step", "id", "step_id", "signal", "signal_id", "return_code", "number", "set"),
)

LIVE = {
    "timed-out": AppState.FAILED,
    "ok": AppState.SUCCEEDED,
    'exit "3", $x': AppState.FAILED,
    "signal": AppState.FAILED,
    "out-of-memory": AppState.FAILED,
    "running": AppState.RUNNING,
    "cancelled": AppState.CANCELLED,
    "cancelled-before": AppState.CANCELLED,
    "node-failed": AppState.FAILED,
    "requeued": AppState.PENDING,
    "preempted": AppState.FAILED,
    "later": AppState.PENDING,
    "held": AppState.PENDING,
    "too-large": AppState.PENDING,
    "never": AppState.PENDING,
    "no-time-left": AppState.FAILED,
    "array": AppState.RUNNING,
    "het": AppState.FAILED,
    "het-pending": AppState.PENDING,
    "urgent": AppState.RUNNING,
    "suspended": AppState.RUNNING,
}


def jobs(rows: list[SlurmRow]) -> dict[str, BatchJob]:
    """The jobs by name."""
    groups: dict[str, list[SlurmRow]] = {}
    for row in rows:
        groups.setdefault(row.app_id, []).append(row)
    found = [to_job(group) for group in groups.values()]
    assert len(found) == len({job.name for job in found})
    return {job.name: job for job in found}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_squeue_json(version: str) -> None:
    found = jobs(parse_json.parse_squeue((DATA / version / "squeue.json").read_text()))
    assert {name: job.state for name, job in found.items()} == LIVE
    assert found["requeued"].restarts == 1
    assert found["ok"].restarts == 0
    assert "PartitionConfig" in found["too-large"].msg
    assert "JobHeldUser" in found["held"].msg
    assert "time limit" in found["timed-out"].msg
    assert "node failed: n4" in found["node-failed"].msg
    assert len(found["het"].parts) == 2
    assert found['exit "3", $x'].parts[0].exit_code == 3
    assert found["signal"].parts[0].signal == 9


def test_sacct_json(version: str) -> None:
    found = jobs(parse_json.parse_sacct((DATA / version / "sacct.json").read_text()))
    ended = {name: job.state for name, job in found.items()}
    for name in ("ok", "cancelled", "timed-out", "out-of-memory", "preempted", "het", "signal"):
        assert ended[name] == LIVE[name], name
    assert "out of memory" in found["out-of-memory"].msg
    assert "time limit" in found["timed-out"].msg
    assert found["signal"].parts[0].signal == 9
    if version >= "23.02":  # older ones print wrong exit codes here, and are not asked
        assert "exit code 2" in found["het"].msg
        assert [part.exit_code for part in found["het"].parts] == [2, 2]


def test_squeue_text() -> None:
    """The lines of the recording in the form in which the scheduler asks for them."""
    text = (DATA / "22.05" / "squeue.txt").read_text()
    lines = []
    for line in text.splitlines():
        job, state, reason, rest = line.split("|", 3)
        name, comment = rest.rsplit("|", 1) if "torchx" not in rest else rest.split("|", 1)
        lines.append(SEPARATOR.join((job, state, reason, "", "(null)", comment, name)))
    found = jobs(parse_text.parse_squeue("\n".join(lines)))
    assert {name: job.state for name, job in found.items()} == LIVE
    assert len(found["array"].parts) == 2
    assert len(found["het-pending"].parts) == 2


def test_sacct_text() -> None:
    text = (DATA / "22.05" / "sacct.txt").read_text()
    lines = (line.split("|", 6) for line in text.splitlines()[1:])
    asked = (SEPARATOR.join((job, state, code, nodes, name)) for job, state, code, _, nodes, _, name in lines)
    found = jobs(parse_text.parse_sacct("\n".join(asked)))
    assert found["cancelled"].state == AppState.CANCELLED
    assert found["exit `3`, $x"].msg == "exit code 3"
    assert found["signal"].msg == "killed by SIGKILL"
    assert found["out-of-memory"].msg == "out of memory"
    assert found["timed-out"].msg == "the time limit was reached"
    assert found["node-failed"].msg == "a node failed: n4"
    assert found["preempted"].msg == "PREEMPTED: preempted by another job"
    assert (found["het"].state, found["het"].msg) == (AppState.FAILED, "exit code 2")
    assert found["no-time-left"].msg == "the deadline could not be met"


def test_scontrol_text() -> None:
    found = jobs(parse_text.parse_scontrol((DATA / "22.05" / "scontrol.txt").read_text()))
    assert {name: job.state for name, job in found.items()} == LIVE
    assert found["requeued"].restarts == 1
    assert found['exit "3", $x'].msg == "exit code 3"
    assert found["signal"].parts[0].signal == 9
    assert len(found["het"].parts) == 2


@pytest.mark.parametrize("text", ["", "garbage", "\x1f\x1f", "slurm_load_jobs error", "12\x1fRUNNING", "x\x1f" * 9])
def test_what_is_no_row_is_left_out(text: str) -> None:
    assert parse_text.parse_squeue(text) == []
    assert parse_text.parse_sacct(text) == []
    assert parse_text.parse_scontrol(text) == []


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "{}", '{"jobs": 3}'])
def test_what_is_no_json_of_slurm_is_an_error(text: str) -> None:
    for parse in (parse_json.parse_squeue, parse_json.parse_sacct):
        with pytest.raises(ValueError):
            parse(text)


def test_names_with_line_ends_make_no_rows() -> None:
    fields = ("12", "RUNNING", "None", "n1", "(null)", "(null)")
    text = SEPARATOR.join((*fields, "a\n13 RUNNING"))
    assert [row.app_id for row in parse_text.parse_squeue(text)] == ["12"]


@pytest.mark.parametrize(
    ("job", "app_id", "part"),
    [("12", "12", 0), ("12+3", "12", 3), ("12_7", "12", 7), ("12_[4-9%2]", "12", 4), ("12_[1,3...]", "12", 1)],
)
def test_ids_of_all_kinds(job: str, app_id: str, part: int) -> None:
    (row,) = parse_text.parse_squeue(SEPARATOR.join((job, "PENDING", "", "", "", "", "name")))
    assert (row.app_id, row.part) == (app_id, part)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["7", "RUNNING"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(jobs=st.lists(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=8), max_size=3))
def test_json_of_any_shape_gives_rows_or_none(jobs: list[dict[str, object]]) -> None:
    """Fields that are missing, or of another type than in any version so far."""
    text = json.dumps({"jobs": [{"job_id": 7, **job} for job in jobs]})
    for parse in (parse_json.parse_squeue, parse_json.parse_sacct):
        for row in parse(text):
            assert to_job([row]).app_id.lstrip("-").isdigit()


@settings(max_examples=150, deadline=None)
@given(text=st.text(st.sampled_from("12+_[].|%=: \n\x1fabcRUNING\u0663")))
def test_text_of_any_kind_gives_rows_or_none(text: str) -> None:
    for parse in (parse_text.parse_squeue, parse_text.parse_sacct, parse_text.parse_scontrol):
        for row in parse(text):
            assert to_job([row]).app_id.isdigit()
