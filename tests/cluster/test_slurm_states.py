"""The states of real Slurm jobs, with their reasons, while slurmctld knows them and afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.slurm_config import JOB_AGE, limits_memory
from tests.cluster.slurm_jobs import start_now
from torchx.specs.api import AppState, Resource, RetryPolicy
from torchx.testing.jobs import ROLE
from torchx.testing.waiting import until

if TYPE_CHECKING:
    from tests.cluster.slurm_cluster import SlurmCluster
    from tests.cluster.slurm_commands import WrappedCommands
    from tests.cluster.slurm_jobs import SlurmJobs
    from torchx.schedulers.api import DescribeAppResponse

#: Seconds until slurmctld has forgotten a job that has ended; it looks now and then.
FORGOTTEN = 3 * JOB_AGE + 30
#: Seconds until slurmctld takes a silent node for dead, and for a requeued job to start again: Slurm waits two minutes.
LOST, AGAIN = 90, 150


def forgotten(slurm: SlurmCluster, app_id: str) -> None:
    """Waits until only the accounting knows a job."""

    def look() -> bool:
        ids = slurm.command("squeue", "--noheader", "--states=all", "--format=%i").split()
        return app_id not in [found.split("+")[0] for found in ids]

    until(look, FORGOTTEN, f"slurmctld to forget `{app_id}`")


def replica_states(described: DescribeAppResponse) -> list[AppState]:
    return [replica.state for role in described.roles_statuses for replica in role.replicas]


def test_state_is_the_same_once_only_the_accounting_knows_the_job(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    good = slurm_jobs.run("true")
    bad = slurm_jobs.submit(slurm_jobs.role("exit 3", name="first"), slurm_jobs.role("true", name="last"))
    cancelled = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(cancelled, AppState.RUNNING)
    slurm_jobs.scheduler.cancel(cancelled)
    ids = [good, bad, cancelled]
    expected = [AppState.SUCCEEDED, AppState.FAILED, AppState.CANCELLED]
    assert [slurm_jobs.end(app_id).state for app_id in ids] == expected
    for app_id in ids:
        forgotten(slurm, app_id)
    assert [slurm_jobs.describe(app_id).state for app_id in ids] == expected
    many = slurm_jobs.scheduler.describe_many(ids)
    assert [found and found.state for found in many.values()] == expected
    assert slurm_jobs.new() == {app_id: state.name for app_id, state in zip(ids, expected, strict=True)}
    assert "3" in slurm_jobs.describe(bad).msg


def test_one_call_of_each_command_describes_many_jobs(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, commands: WrappedCommands
) -> None:
    ids = [slurm_jobs.run("true") for _ in range(3)]
    for app_id in ids:
        slurm_jobs.end(app_id)
    forgotten(slurm, ids[-1])
    ids.append(slurm_jobs.run("sleep 600"))
    slurm_jobs.reach(ids[-1], AppState.RUNNING)
    commands.forget()
    found = slurm_jobs.scheduler.describe_many(ids)
    assert [job and job.state.name for job in found.values()] == ["SUCCEEDED"] * 3 + ["RUNNING"]
    counts = {name: len(commands.calls(name)) for name in ("squeue", "sacct", "scontrol")}
    assert counts == {"squeue": 1, "sacct": 1, "scontrol": 0}


def test_exit_codes_and_signals_are_told_for_each_replica(slurm_jobs: SlurmJobs) -> None:
    code = "case $1 in 0) exit 0;; 1) sleep 2; exit 7;; esac"
    app_id = slurm_jobs.run(code, "${replica_id}", num_replicas=2)
    described = slurm_jobs.end(app_id)
    assert described.state == AppState.FAILED
    assert replica_states(described)[1] == AppState.FAILED
    assert described.roles_statuses[0].replicas[1].structured_error_msg == "exit code 7"
    assert "exit code 7" in described.msg


def test_a_signal_is_named(slurm_jobs: SlurmJobs) -> None:
    described = slurm_jobs.end(slurm_jobs.run("kill -SEGV $$"))
    assert described.state == AppState.FAILED
    assert "SIGSEGV" in described.msg or "signal 11" in described.msg


def test_the_hosts_of_replicas_are_told(slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("hostname; sleep 600", num_replicas=2)
    role.resource = Resource(cpu=16, gpu=0, memMB=64)
    app_id = slurm_jobs.submit(role)
    slurm_jobs.reach(app_id, AppState.RUNNING)
    told = [next(iter(slurm_jobs.scheduler.log_iter(app_id, ROLE, k, should_tail=True))).strip() for k in range(2)]
    replicas = slurm_jobs.describe(app_id).roles_statuses[0].replicas
    assert [replica.hostname for replica in replicas] == told


def test_out_of_memory_is_named(slurm_jobs: SlurmJobs) -> None:
    described = slurm_jobs.end(
        slurm_jobs.run("exec python3 -c 'import time; len(bytes([1]) * 500_000_000); time.sleep(9)'")
    )
    assert described.state == AppState.FAILED
    if limits_memory():
        # The accounting, which knows it, is a second behind.
        until(lambda: "out of memory" in slurm_jobs.describe(described.app_id).msg, 30, "the reason")


def test_time_out_is_named(slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.submit_with(slurm_jobs.role("sleep 600"), time="1")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    slurm_jobs.timeout = 150  # minutes are the least that Slurm counts
    described = slurm_jobs.end(app_id)
    assert described.state == AppState.FAILED
    assert "time" in described.msg.lower()


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"begin": "now+1hour"}, "BeginTime"), ({"hold": True}, "JobHeldUser"), ({"dependency": "afterok:1"}, "")],
    ids=["later", "held", "waits for another"],
)
def test_a_job_that_waits_says_why(slurm_jobs: SlurmJobs, options: dict[str, object], reason: str) -> None:
    if "dependency" in options:
        options = {"dependency": f"afterok:{slurm_jobs.run('sleep 600')}"}
        reason = "Dependency"
    app_id = slurm_jobs.submit_with(slurm_jobs.role("true"), sbatch=options)
    until(lambda: reason in slurm_jobs.describe(app_id).msg, 30, f"the reason {reason}")
    assert slurm_jobs.describe(app_id).state == AppState.PENDING


def test_cancelled_from_outside(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    running = slurm_jobs.run("sleep 600")
    held = slurm_jobs.submit_with(slurm_jobs.role("true"), sbatch={"hold": True})
    slurm_jobs.reach(running, AppState.RUNNING)
    slurm.command("scancel", running, held)
    assert slurm_jobs.end(running).state == AppState.CANCELLED
    assert slurm_jobs.end(held).state == AppState.CANCELLED
    assert replica_states(slurm_jobs.describe(running)) == [AppState.CANCELLED]


def test_a_step_that_is_cancelled_from_outside_fails_the_job(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    until(lambda: slurm.command("squeue", "--noheader", "--steps", f"{app_id}.0"), 30, "the step")
    slurm.command("scancel", f"{app_id}.0")
    assert slurm_jobs.end(app_id).state in (AppState.FAILED, AppState.CANCELLED)


def test_a_preempted_job_that_is_not_queued_again_failed(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("sleep 600")
    role.resource = Resource(cpu=16, gpu=0, memMB=64)
    low = slurm_jobs.submit_with(role, partition="cancelled", constraint="fast")
    slurm_jobs.reach(low, AppState.RUNNING)
    for _ in range(2):
        slurm_jobs.submit_with(role, constraint="fast")
    described = slurm_jobs.end(low)
    assert described.state == AppState.FAILED
    assert "PREEMPTED" in described.msg


def test_a_preempted_job_that_is_queued_again_waits(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("sleep 600")
    role.resource = Resource(cpu=16, gpu=0, memMB=64)
    role.max_retries = 3
    low = slurm_jobs.submit_with(role, partition="requeued", constraint="fast")
    slurm_jobs.reach(low, AppState.RUNNING)
    for _ in range(2):
        slurm_jobs.submit_with(role, constraint="fast")
    until(lambda: slurm_jobs.describe(low).num_restarts == 1, 60, "the restart")
    assert slurm_jobs.describe(low).state == AppState.PENDING
    until(lambda: "PREEMPTED" in slurm_jobs.describe(low).msg, 30, "the accounting to know the cause")
    assert "REQUEUED" in slurm_jobs.describe(low).msg


def test_a_suspended_job_still_runs(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    slurm.command("scontrol", "suspend", app_id)
    described = slurm_jobs.describe(app_id)
    assert described.state in (AppState.RUNNING, AppState.PENDING)
    assert "suspend" in described.msg.lower()
    slurm.command("scontrol", "resume", app_id)


@pytest.mark.parametrize("policy", RetryPolicy, ids=lambda policy: policy.name)
def test_what_fails_is_started_again_as_often_as_allowed(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, policy: RetryPolicy
) -> None:
    role = slurm_jobs.role("echo try; exit 5")
    role.max_retries, role.retry_policy = 1, policy
    app_id = slurm_jobs.submit(role)
    if policy == RetryPolicy.APPLICATION:
        until(lambda: slurm_jobs.describe(app_id).num_restarts == 1, 60, "the restart")
        start_now(slurm, app_id)
    described = slurm_jobs.end(app_id)
    assert described.state == AppState.FAILED
    assert slurm_jobs.lines(app_id) == ["try\n"] * 2


def test_a_job_that_succeeds_in_the_end_succeeded(slurm: SlurmCluster, slurm_jobs: SlurmJobs, tmp_path: object) -> None:
    role = slurm_jobs.role(f"mkdir {tmp_path}/there || exit 0; exit 5")
    role.max_retries = 1
    app_id = slurm_jobs.submit(role)
    until(lambda: slurm_jobs.describe(app_id).num_restarts == 1, 60, "the restart")
    start_now(slurm, app_id)
    assert slurm_jobs.end(app_id).state == AppState.SUCCEEDED


def test_foreign_and_array_jobs_do_no_harm(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    """`list` shows the user's jobs, whoever submitted them; nothing else is touched."""
    wrap = ("sbatch", "--parsable", "--output=/dev/null", "--chdir=/")
    array = slurm.command(*wrap, "--array=0-2%1", "--wrap=sleep 600").strip()
    own = slurm.command(*wrap, "--job-name=a|b c", "--comment=x|y", "--wrap=sleep 600").strip()
    slurm.command(*wrap, "--wrap=sleep 600", user="nobody")
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    ids = [*slurm_jobs.new()]
    assert len(ids) == len(set(ids))
    assert app_id in ids
    assert set(ids) <= {app_id, own, array}
    described = slurm_jobs.scheduler.describe(own)
    assert described is None or described.state in (AppState.RUNNING, AppState.PENDING)
    assert (found := slurm_jobs.scheduler.describe(array)) is None or found.state == AppState.RUNNING
    slurm.cancel_all()
