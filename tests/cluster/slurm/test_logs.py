"""Logs of real Slurm jobs: while they run and later, in whole lines, without asking Slurm again and again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from torchx.schedulers.api import Stream
from torchx.specs.api import AppState
from torchx.testing.processes import elsewhere
from torchx.testing.waiting import until, within

if TYPE_CHECKING:
    from tests.cluster.slurm.cluster import SlurmCluster
    from tests.cluster.slurm.commands import WrappedCommands
    from tests.cluster.slurm.jobs import SlurmJobs

LATER = """
from torchx.runner import get_runner
with get_runner() as runner:
    result = [*runner.log_lines(handle, "worker", k=1)]
"""

#: Seconds of a tail in which calls are counted, and the least distance of two calls that ask for states.
TAIL, DISTANCE = 25, 10


def test_lines_arrive_while_the_job_runs(slurm_jobs: SlurmJobs, tmp_path: object) -> None:
    app_id = slurm_jobs.run(f"echo first; until [ -e {tmp_path}/go ]; do sleep 0.1; done; echo last")
    lines = slurm_jobs.scheduler.log_iter(app_id, "worker", should_tail=True)
    assert within(60, lambda: next(iter(lines)), "the first line") == "first\n"
    assert slurm_jobs.describe(app_id).state == AppState.RUNNING
    with open(f"{tmp_path}/go", "w"):
        pass
    assert within(60, lambda: [*lines], "the end of the log") == ["last\n"]


def test_a_line_is_not_told_before_it_is_whole(slurm_jobs: SlurmJobs, tmp_path: object) -> None:
    app_id = slurm_jobs.run(f"printf 'one, '; until [ -e {tmp_path}/go ]; do sleep 0.1; done; printf 'two'")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    seen: list[str] = []
    reader = threading.Thread(
        target=lambda: seen.extend(slurm_jobs.scheduler.log_iter(app_id, "worker", should_tail=True)), daemon=True
    )
    reader.start()
    until(lambda: slurm_jobs.describe(app_id).roles_statuses[0].replicas[0].state == AppState.RUNNING, 60)
    reader.join(2)
    assert seen == []
    with open(f"{tmp_path}/go", "w"):
        pass
    reader.join(60)
    assert [line.rstrip("\n") for line in seen] == ["one, two"]


def test_another_shell_reads_the_log_later(slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.run("echo out $1; echo err $1 >&2", "${replica_id}", num_replicas=2)
    slurm_jobs.end(app_id)
    assert sorted(elsewhere(LATER, handle=f"slurm://test/{app_id}")) == ["err 1\n", "out 1\n"]
    for stream, line in ((Stream.STDOUT, "out 0\n"), (Stream.STDERR, "err 0\n")):
        assert slurm_jobs.lines(app_id, streams=stream) == [line]


def test_states_are_asked_for_once_in_ten_seconds_at_most(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, commands: WrappedCommands
) -> None:
    """However many replicas are followed, and however much they write."""
    app_id = slurm_jobs.run("while :; do date +%N; sleep 0.2; done", num_replicas=6)
    slurm_jobs.reach(app_id, AppState.RUNNING)
    commands.forget()
    readers = [
        threading.Thread(target=_read, args=(slurm_jobs, app_id, k, counts := [0]), daemon=True, name=str(k))
        for k in range(6)
    ]
    began = time.monotonic()
    for reader in readers:
        reader.start()
    until(lambda: time.monotonic() > began + TAIL, TAIL + 10)
    calls = [call for name in ("squeue", "sacct", "scontrol") for call in commands.calls(name)]
    assert len(calls) <= 1 + TAIL // DISTANCE, calls
    assert counts[0] > TAIL
    slurm_jobs.scheduler.cancel(app_id)
    for reader in readers:
        reader.join(60)
        assert not reader.is_alive()


def test_the_log_of_a_job_that_still_waits_begins_when_it_runs(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.submit_with(slurm_jobs.role("echo hello"), sbatch={"hold": True})
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(slurm_jobs.lines(app_id)), daemon=True)
    reader.start()
    slurm.command("scontrol", "release", app_id)
    reader.join(60)
    assert seen == ["hello\n"]


def test_a_job_that_never_ran_has_no_log(slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.submit_with(slurm_jobs.role("echo hello"), sbatch={"hold": True})
    slurm_jobs.scheduler.cancel(app_id)
    slurm_jobs.end(app_id)
    assert slurm_jobs.lines(app_id) == []


def _read(jobs: SlurmJobs, app_id: str, k: int, count: list[int]) -> None:
    for _ in jobs.scheduler.log_iter(app_id, "worker", k, should_tail=True):
        count[0] += 1
