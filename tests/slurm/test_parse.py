"""Output of Slurm's commands that is odd, or none of theirs; see `test_versions.py` for what real ones print."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchx_slurm import parse_json, parse_text
from torchx_slurm.parse_text import SEPARATOR
from torchx_slurm.status import to_job

KEYS = (
    *("job_id", "name", "job_state", "state_reason", "exit_code", "het_job_id", "het_job_offset", "array_job_id"),
    *("array_task_id", "nodes", "restart_cnt", "command", "comment", "state", "current", "reason", "het", "array"),
    *("job_offset", "task_id", "steps", "step", "id", "step_id", "signal", "signal_id", "return_code", "number", "set"),
)


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
    "name",
    ["a", "", "a=b", "x JobState=FAILED ExitCode=9:9", "UserId=me", "x HetJobOffset=7", "JobId=8"],
)
@pytest.mark.parametrize("het", ["", "HetJobIdSet=12-13 "], ids=["one job", "heterogeneous"])
def test_names_that_look_like_fields(name: str, het: str) -> None:
    """`scontrol` quotes nothing."""
    text = f"JobId=12 JobName={name} {het}UserId=me(7) GroupId=domain users(8) JobState=RUNNING ExitCode=0:0 "
    (row,) = parse_text.parse_scontrol(text + "Comment=x JobState=FAILED ExitCode=3:0\n")
    assert (row.app_id, row.part, row.name, row.states, row.code) == ("12", 0, name, ("RUNNING",), 0)


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
