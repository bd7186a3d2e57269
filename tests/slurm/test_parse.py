"""Output of Slurm's commands that is odd, or none of theirs; see `test_versions.py` for what real ones print."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchx_slurm import parse_json, parse_text
from torchx_slurm.status import to_job

SEPARATOR = "\x1f"
KEYS = (
    *("job_id", "name", "job_state", "state_reason", "exit_code", "het_job_id", "het_job_offset", "array_job_id"),
    *("array_task_id", "nodes", "restart_cnt", "command", "comment", "state", "current", "reason", "het", "array"),
    *("job_offset", "task_id", "steps", "step", "id", "step_id", "signal", "signal_id", "return_code", "number", "set"),
)


@pytest.mark.parametrize("text", ["", "garbage", "\x1f\x1f", "slurm_load_jobs error", "12\x1fRUNNING", "x\x1f" * 9])
def test_what_is_no_row_is_left_out(text: str) -> None:
    assert parse_text.parse_squeue(text, SEPARATOR) == []
    assert parse_text.parse_sacct(text, SEPARATOR) == []
    assert parse_text.parse_scontrol(text, "12") == []


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "{}", '{"jobs": 3}'])
def test_what_is_no_json_of_slurm_is_an_error(text: str) -> None:
    for parse in (parse_json.parse_squeue, parse_json.parse_sacct):
        with pytest.raises(ValueError):
            parse(text)


FORGED = (
    "a\n13\x1fRUNNING\x1fNone\x1fn1\x1fx\x1fx\x1fx\x1f\nJobId=13 JobName=x UserId=me(7) GroupId=g(8) JobState=FAILED "
)


def test_names_and_comments_make_no_rows() -> None:
    """Whatever they hold: they can't hold what stands between the fields."""
    mark = parse_text.new_separator()
    assert mark != parse_text.new_separator()
    fields = ("12", "RUNNING", "None", "n1", "(null)", FORGED, FORGED, "\n14", "PENDING", "", "", "", "", "x", "\n")
    rows = parse_text.parse_squeue(mark.join(fields), mark)
    assert [(row.app_id, row.states, row.comment, row.name) for row in rows] == [
        ("12", ("RUNNING",), FORGED, FORGED),
        ("14", ("PENDING",), "", "x"),
    ]
    past = ("12", "FAILED", "3:0", "0:0", "n1", FORGED, "\n12.batch", "FAILED", "3:0", "", "n1", "batch", "\n")
    (row,) = parse_text.parse_sacct(mark.join(past), mark)
    assert (row.app_id, row.name, [step.name for step in row.steps]) == ("12", FORGED, ["batch"])


def test_lines_that_a_user_wrote_are_no_parts_of_the_job() -> None:
    rest = "UserId=me(7) GroupId=g(8) JobState=RUNNING ExitCode=0:0 Comment="
    forged = "x\nJobId=12 JobName=y UserId=me(7) GroupId=g(8) JobState=FAILED ExitCode=9:0 "
    (row,) = parse_text.parse_scontrol(f"JobId=12 JobName=a\nb {rest}{FORGED}{forged}\n", "12")
    assert (row.app_id, row.states, row.code, row.name) == ("12", ("RUNNING",), 0, "a\nb")


@pytest.mark.parametrize(
    ("code", "derived", "steps", "job", "step"),
    [
        ("127:0", "255:0", ["127:0"], (127, False), (255, True)),
        ("3:0", "3:0", ["3:0"], (3, False), (3, True)),
        ("2:0", "130:0", ["2:0", "2:0"], (2, False), (2, False)),
        ("2:0", "0:125", ["2:0"], (2, False), (2, False)),
        ("0:0", "0:0", [], (0, False), None),
        ("0:9", "0:0", [], (0, True), None),
    ],
    ids=["one step", "one step, small code", "two steps", "a signal beside it", "128 or none", "a signal"],
)
def test_codes_of_the_fixed_format_are_right_or_not_sure(
    code: str, derived: str, steps: list[str], job: tuple[int, bool], step: tuple[int, bool] | None
) -> None:
    """It leaves out 128 of a code, as real ones of all versions do."""
    lines = [("7", "FAILED", code, derived, "n1", "x"), ("7.batch", "FAILED", code, "", "n1", "x")]
    lines += [(f"7.{k}", "FAILED", text, "", "n1", "x") for k, text in enumerate(steps)]
    (row,) = parse_text.parse_sacct("".join(SEPARATOR.join((*line, "\n")) for line in lines), SEPARATOR)
    assert (row.code, row.sure) == job
    assert [(s.code, s.sure) for s in row.steps if s.name != "batch"] == [step] * len(steps)


@pytest.mark.parametrize(
    "name",
    ["a", "", "a=b", "x JobState=FAILED ExitCode=9:9", "UserId=me", "x HetJobOffset=7", "JobId=8"],
)
@pytest.mark.parametrize("het", ["", "HetJobIdSet=12-13 "], ids=["one job", "heterogeneous"])
def test_names_that_look_like_fields(name: str, het: str) -> None:
    """`scontrol` quotes nothing."""
    text = f"JobId=12 JobName={name} {het}UserId=me(7) GroupId=domain users(8) JobState=RUNNING ExitCode=0:0 "
    (row,) = parse_text.parse_scontrol(text + "Comment=x JobState=FAILED ExitCode=3:0\n", "12")
    assert (row.app_id, row.part, row.name, row.states, row.code) == ("12", 0, name, ("RUNNING",), 0)


@pytest.mark.parametrize(
    ("job", "app_id", "part"),
    [("12", "12", 0), ("12+3", "12", 3), ("12_7", "12", 7), ("12_[4-9%2]", "12", 4), ("12_[1,3...]", "12", 1)],
)
def test_ids_of_all_kinds(job: str, app_id: str, part: int) -> None:
    (row,) = parse_text.parse_squeue(SEPARATOR.join((job, "PENDING", "", "", "", "", "name", "\n")), SEPARATOR)
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
    told = [parse_text.parse_squeue(text, SEPARATOR), parse_text.parse_sacct(text, SEPARATOR)]
    for row in [row for rows in [*told, parse_text.parse_scontrol(text, "12")] for row in rows]:
        assert to_job([row]).app_id.isdigit()
