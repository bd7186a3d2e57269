"""Slurm's words, in TorchX's terms."""

from __future__ import annotations

import itertools

import pytest

from torchx.specs.api import AppState, is_terminal
from torchx_slurm.status import SLURM_STATES, SlurmRow, SlurmStep, app_state, message, to_job

# The states of https://slurm.schedmd.com/job_state_codes.html (25.05), and of squeue's manual pages since 20.02.
DOCUMENTED = """
BOOT_FAIL CANCELLED COMPLETED COMPLETING CONFIGURING DEADLINE FAILED LAUNCH_FAILED NODE_FAIL OUT_OF_MEMORY PENDING
POWER_UP_NODE PREEMPTED RECONFIG_FAIL REQUEUED REQUEUE_FED REQUEUE_HOLD RESIZING RESV_DEL_HOLD REVOKED RUNNING SIGNALING
SPECIAL_EXIT STAGE_OUT STOPPED SUSPENDED TIMEOUT
"""


def test_all_documented_states_have_a_meaning() -> None:
    assert {*SLURM_STATES} == {*DOCUMENTED.split()}
    assert AppState.UNKNOWN not in SLURM_STATES.values()


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["PENDING"], AppState.PENDING),
        (["RUNNING", "COMPLETING"], AppState.RUNNING),
        (["CANCELLED", "COMPLETING"], AppState.RUNNING),
        (["RUNNING", "CONFIGURING"], AppState.PENDING),
        (["PENDING", "REQUEUED"], AppState.PENDING),
        (["FAILED", "REQUEUED"], AppState.PENDING),
        (["COMPLETED", "SPECIAL_EXIT"], AppState.PENDING),
        (["FAILED", "LAUNCH_FAILED"], AppState.FAILED),
        (["COMPLETED", "UPDATE_DB"], AppState.SUCCEEDED),
        (["WHATEVER"], AppState.UNKNOWN),
        ([], AppState.UNKNOWN),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_states_with_flags(states: list[str], expected: AppState) -> None:
    assert app_state(states) == expected


def test_a_failed_part_fails_the_whole_wherever_it_stands() -> None:
    for order in itertools.permutations(["COMPLETED", "FAILED", "CANCELLED"]):
        rows = [row(state, part=part) for part, state in enumerate(order)]
        assert to_job(rows).state == AppState.FAILED


def test_the_whole_ends_with_its_last_part() -> None:
    for states in itertools.product(SLURM_STATES, repeat=2):
        job = to_job([row(state, part=part) for part, state in enumerate(states)])
        assert is_terminal(job.state) == all(is_terminal(SLURM_STATES[state]) for state in states)


def row(*states: str, part: int = 0, **told: object) -> SlurmRow:
    return SlurmRow("7", part, states, **told)  # type: ignore[arg-type]  # as the test says


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (row("PENDING", reason="Resources"), "Resources: waiting for free resources"),
        (row("PENDING", reason="(Priority)"), "Priority: jobs of higher priority go first"),
        (row("PENDING", reason="NewReason"), "NewReason"),
        (row("PENDING", reason="None"), ""),
        (row("PENDING", reason="BeginTime", restarts=1), "REQUEUED: queued again, BeginTime: it is to begin later"),
        (row("PENDING", "REQUEUED", reason="None"), "REQUEUED: queued again"),
        (row("RUNNING", reason="None"), ""),
        (row("SUSPENDED"), "suspended"),
        (row("COMPLETED", code=0), ""),
        (row("FAILED", code=3, reason="NonZeroExitCode"), "exit code 3"),
        (row("FAILED", code=0, signal=9), "killed by SIGKILL"),
        (row("FAILED", code=139), "exit code 139 (SIGSEGV)"),
        (row("FAILED", code=255), "exit code 255"),
        (row("FAILED", code=127, sure=False), "exit code 127 or 255"),
        (row("FAILED", reason="JobLaunchFailure"), "JobLaunchFailure"),
        (row("TIMEOUT", code=0, signal=15), "the time limit was reached"),
        (row("OUT_OF_MEMORY", code=0, signal=125), "out of memory"),
        (
            row("FAILED", code=0, signal=53),
            "the job's folder can't be used on its node: name one on the shared file system with job_dir",
        ),
        (row("FAILED", code=0, signal=105), "Slurm's code 0:105"),
        (row("NODE_FAIL", nodes="n[1-2]"), "a node failed"),
        (row("PREEMPTED", signal=15), "PREEMPTED: preempted by another job"),
        (row("FAILED", code=1, steps=(SlurmStep("0", "OUT_OF_MEMORY", 0, 125),)), "out of memory"),
        (row("FAILED", code=1, steps=(SlurmStep("batch", "FAILED", 1), SlurmStep("0", "FAILED", 7))), "exit code 7"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value.states),
)
def test_messages(told: SlurmRow, text: str) -> None:
    assert message(told) == text


@pytest.mark.parametrize(
    ("nodes", "down", "text"),
    [
        ("n4", set(), "a node failed: n4"),
        ("n[1-2]", {"n2", "n3"}, "a node failed: n2"),
        ("n[1-2],m[07-08]", {"m08", "n1"}, "a node failed: n1, m08"),
        ("n[1-2]", set(), "a node failed"),
    ],
    ids=["its only one", "one of two", "two of four", "not known"],
)
def test_only_nodes_that_failed_are_named(nodes: str, down: set[str], text: str) -> None:
    job = to_job([row("NODE_FAIL", nodes=nodes)], down)
    assert job.msg == text
    assert {*job.failed_nodes} <= {*down, "n4"}


def test_job_of_several_parts_is_judged_as_a_whole() -> None:
    rows = [row("COMPLETED", part=1, code=0, nodes="n2"), row("FAILED", part=0, code=3, nodes="n1", name="train")]
    job = to_job(rows)
    assert (job.app_id, job.state, job.name, job.msg) == ("7", AppState.FAILED, "train", "exit code 3")
    assert [(part.role, part.state, part.exit_code, part.hosts) for part in job.parts] == [
        (0, AppState.FAILED, 3, "n1"),
        (1, AppState.SUCCEEDED, 0, "n2"),
    ]


def test_the_cause_is_told_rather_than_what_came_of_it() -> None:
    rows = [row("FAILED", code=1), row("OUT_OF_MEMORY", part=1)]
    assert to_job(rows).msg == "out of memory"


@pytest.mark.parametrize(
    ("command", "folder"),
    [("/shared/.torchx-jobs/key/job.sh", "/shared/.torchx-jobs/key"), ("/home/me/run.sh", None), ("", None)],
)
def test_folder_is_known_by_the_job_s_script(command: str, folder: str | None) -> None:
    assert to_job([row("RUNNING", command=command)]).folder == folder
