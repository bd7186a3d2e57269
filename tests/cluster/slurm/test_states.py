"""The states of real Slurm jobs, with their reasons, while slurmctld knows them and afterwards."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster.slurm.config import JOB_AGE, limits_memory
from tests.cluster.slurm.jobs import start_now
from torchx.specs.api import AppState, Resource, RetryPolicy, is_terminal
from torchx.testing.jobs import ROLE
from torchx.testing.waiting import until

if TYPE_CHECKING:
    from tests.cluster.slurm.cluster import SlurmCluster
    from tests.cluster.slurm.commands import WrappedCommands
    from tests.cluster.slurm.jobs import SlurmJobs
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


def waited_for(slurm_jobs: SlurmJobs, app_id: str) -> DescribeAppResponse:
    """The first answer that tells a job's end, as who waits gets it."""
    described = slurm_jobs.scheduler.poll(app_id)
    end = time.monotonic() + slurm_jobs.timeout
    while described is not None and not is_terminal(described.state) and time.monotonic() < end:
        time.sleep(0.05)
        described = slurm_jobs.scheduler.poll(app_id)
    assert described is not None
    assert is_terminal(described.state)
    return described


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
    replica = slurm_jobs.describe(bad).roles_statuses[0].replicas[0]
    assert slurm_jobs.describe(bad).msg == f"first/0 on {replica.hostname}: exit code 3"


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
    replica = described.roles_statuses[0].replicas[1]
    assert replica.structured_error_msg == "exit code 7"
    assert described.msg == f"worker/1 on {replica.hostname}: exit code 7"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("exit 3", "exit code 3"),
        ("exit 130", "exit code 130 (SIGINT)"),
        ("exit 200", "exit code 200"),
        ("exit 255", "exit code 255"),
        ("kill -SEGV $$", "killed by SIGSEGV"),
        ("sh -c 'kill -SEGV $$'", "exit code 139 (SIGSEGV)"),
    ],
)
def test_an_end_is_told_once_and_as_it_was(slurm: SlurmCluster, slurm_jobs: SlurmJobs, code: str, text: str) -> None:
    """Now, and when only accounting knows the job."""
    app_id = slurm_jobs.run(code)
    described = slurm_jobs.end(app_id)
    (replica,) = described.roles_statuses[0].replicas
    assert (described.state, described.msg) == (AppState.FAILED, f"worker/0 on {replica.hostname}: {text}")
    until(lambda: "FAILED" in slurm.command("sacct", "--jobs", app_id, "--format=State"), 30, "the accounting")
    assert slurm_jobs.describe(app_id).msg == described.msg


@pytest.mark.parametrize("others", ["sleep 600", "trap 'exit 1' TERM; sleep 600 & wait"], ids=["plain", "obedient"])
@pytest.mark.parametrize(
    ("code", "text"),
    [("exit 3", "exit code 3"), ("kill -KILL $$", "killed by SIGKILL"), ("kill -TERM $$", "killed by SIGTERM")],
)
def test_the_one_replica_that_failed_is_told(slurm_jobs: SlurmJobs, code: str, text: str, others: str) -> None:
    app_id = slurm_jobs.run(f"[ $1 = 2 ] && {{ sleep 1; {code}; }}; {others}", "${replica_id}", num_replicas=4)
    described = slurm_jobs.end(app_id)
    replicas = described.roles_statuses[0].replicas
    assert described.msg == f"worker/2 on {replicas[2].hostname}: {text}"
    cancelled = AppState.CANCELLED
    assert [replica.state for replica in replicas] == [cancelled, cancelled, AppState.FAILED, cancelled]


@pytest.mark.parametrize(
    ("code", "text"),
    [("exit 200", "exit code 200"), ("exit 130", "exit code 130 (SIGINT)"), ("kill -9 $$", "killed by SIGKILL")],
)
def test_exit_codes_of_jobs_of_others(slurm: SlurmCluster, slurm_jobs: SlurmJobs, code: str, text: str) -> None:
    app_id = slurm.command("sbatch", "--parsable", "--output=/dev/null", "--chdir=/", f"--wrap={code}").strip()
    slurm_jobs.own(app_id)
    assert slurm_jobs.end(app_id).msg == text


def test_names_and_comments_of_several_lines_are_no_jobs(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    submit = ("sbatch", "--parsable", "--output=/dev/null", "--chdir=/")
    forged = "x\n99999\x1fRUNNING\x1fNone\x1fn1\x1fx\x1fx\x1fx\x1f\n99998 JobId=99997 JobName=x JobState=FAILED"
    ids = [
        slurm.command(*submit, "--comment=one\ntwo", "--wrap=sleep 600").strip(),
        slurm.command(*submit, f"--comment={forged}", f"--job-name={forged}", "--wrap=sleep 600").strip(),
    ]
    for app_id in ids:
        slurm_jobs.own(app_id)
        slurm_jobs.reach(app_id, AppState.RUNNING)
    assert slurm_jobs.new() == dict.fromkeys(reversed(ids), "RUNNING")
    for app_id in ids:
        slurm_jobs.scheduler.cancel(app_id)
    assert [slurm_jobs.end(app_id).state for app_id in ids] == [AppState.CANCELLED] * 2
    assert slurm_jobs.new() == dict.fromkeys(reversed(ids), "CANCELLED")


def test_the_hosts_of_replicas_are_told(slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("hostname; sleep 600", num_replicas=2)
    role.resource = Resource(cpu=16, gpu=0, memMB=64)
    app_id = slurm_jobs.submit(role)
    slurm_jobs.reach(app_id, AppState.RUNNING)
    told = [next(iter(slurm_jobs.scheduler.log_iter(app_id, ROLE, k, should_tail=True))).strip() for k in range(2)]
    replicas = slurm_jobs.describe(app_id).roles_statuses[0].replicas
    assert [replica.hostname for replica in replicas] == told


def test_out_of_memory_is_named(slurm_jobs: SlurmJobs) -> None:
    """At the first answer, by which the accounting knows of nothing."""
    app_id = slurm_jobs.run("exec python3 -c 'import time; len(bytes([1]) * 500_000_000); time.sleep(9)'")
    described = waited_for(slurm_jobs, app_id)
    assert described.state == AppState.FAILED
    if limits_memory():
        (replica,) = described.roles_statuses[0].replicas
        assert described.msg == f"worker/0 on {replica.hostname}: out of memory"
        assert slurm_jobs.describe(app_id).msg == described.msg


@pytest.mark.skipif(not limits_memory(), reason="this kernel can't tell")
def test_out_of_memory_is_blamed_on_the_role_that_was(slurm_jobs: SlurmJobs) -> None:
    """Its own shell goes on, and ends well; the other role is ended for its sake."""
    big = slurm_jobs.role("python3 -c 'len(bytes([1]) * 500_000_000)'; exit 0", name="big")
    app_id = slurm_jobs.submit(slurm_jobs.role("sleep 600", name="innocent"), big)
    described = waited_for(slurm_jobs, app_id)
    innocent, guilty = (role.replicas[0] for role in described.roles_statuses)
    assert described.msg == f"big/0 on {guilty.hostname}: out of memory"
    assert (innocent.state, guilty.state) == (AppState.CANCELLED, AppState.FAILED)
    assert guilty.structured_error_msg == "out of memory"
    assert slurm_jobs.describe(app_id).msg == described.msg


@pytest.mark.skipif(not limits_memory(), reason="this kernel can't tell")
def test_out_of_memory_is_blamed_on_no_replica_that_may_be_innocent(slurm_jobs: SlurmJobs) -> None:
    """Both shells go on, on one node, which Slurm watches as a whole."""
    code = "[ $1 = 1 ] && python3 -c 'len(bytes([1]) * 500_000_000)'; sleep 2; exit 0"
    role = slurm_jobs.role(code, num_replicas=2)
    role.args.append("${replica_id}")
    described = waited_for(slurm_jobs, slurm_jobs.submit(role))
    replicas = described.roles_statuses[0].replicas
    if replicas[0].hostname == replicas[1].hostname:
        assert described.msg == f"out of memory on {replicas[0].hostname}: worker/0 or worker/1"
        assert replicas[0].state is not AppState.FAILED
    else:
        assert described.msg == f"worker/1 on {replicas[1].hostname}: out of memory"


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
    assert {*ids} == {app_id, own, array}
    described = slurm_jobs.reach(own, AppState.RUNNING)
    assert (described.name, described.roles) == ("a|b c", [])
    assert slurm_jobs.reach(array, AppState.RUNNING).app_id == array
    assert slurm_jobs.reach(f"{array}_0", AppState.RUNNING).app_id == f"{array}_0"
    assert slurm_jobs.describe(f"{array}_1").state == AppState.PENDING
    assert slurm_jobs.scheduler.describe(f"{array}_7") is None
    slurm.cancel_all()
