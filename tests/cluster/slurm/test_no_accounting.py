"""A site without accounting: slurmctld knows a job for a while after its end, and then only the job's own files do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.slurm.cluster import running_cluster
from tests.cluster.slurm.config import limits_memory
from tests.cluster.slurm.test_states import forgotten, waited_for
from torchx.specs.api import AppState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.slurm.cluster import SlurmCluster
    from tests.cluster.slurm.jobs import SlurmJobs


@pytest.fixture(scope="module")
def slurm_cluster() -> Iterator[SlurmCluster]:
    with running_cluster(accounting=False) as cluster:
        yield cluster


def test_jobs_are_described_and_listed(slurm_jobs: SlurmJobs) -> None:
    good, running = slurm_jobs.run("true"), slurm_jobs.run("sleep 600")
    bad = slurm_jobs.submit(slurm_jobs.role("exit 3", name="first"), slurm_jobs.role("true", name="last"))
    assert slurm_jobs.end(good).state == AppState.SUCCEEDED
    described = slurm_jobs.end(bad)
    assert described.state == AppState.FAILED
    replica = described.roles_statuses[0].replicas[0]
    assert described.msg == f"first/0 on {replica.hostname}: exit code 3"
    slurm_jobs.reach(running, AppState.RUNNING)
    assert slurm_jobs.new() == {good: "SUCCEEDED", bad: "FAILED", running: "RUNNING"}
    found = slurm_jobs.scheduler.describe_many([good, bad, running])
    assert [job and job.state.name for job in found.values()] == ["SUCCEEDED", "FAILED", "RUNNING"]
    slurm_jobs.scheduler.cancel(running)
    assert slurm_jobs.end(running).state == AppState.CANCELLED


def test_the_end_of_a_forgotten_job_is_in_its_own_files(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    good, bad = slurm_jobs.run("echo good"), slurm_jobs.run("echo bad; exit 3")
    slurm_jobs.end(good)
    slurm_jobs.end(bad)
    forgotten(slurm, good)
    forgotten(slurm, bad)
    assert slurm_jobs.describe(good).state == AppState.SUCCEEDED
    described = slurm_jobs.describe(bad)
    assert described.state == AppState.FAILED
    replica = described.roles_statuses[0].replicas[0]
    assert described.msg == f"worker/0 on {replica.hostname}: exit code 3"
    assert slurm_jobs.new() == {good: "SUCCEEDED", bad: "FAILED"}
    assert slurm_jobs.lines(good) == ["good\n"]
    assert slurm_jobs.scheduler.exists(bad)


def test_a_forgotten_job_that_was_cancelled_is_no_success(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    slurm_jobs.scheduler.cancel(app_id)
    slurm_jobs.end(app_id)
    forgotten(slurm, app_id)
    assert slurm_jobs.describe(app_id).state == AppState.CANCELLED
    assert slurm_jobs.new() == {app_id: "CANCELLED"}
    found = slurm_jobs.scheduler.describe_many([app_id, *map(str, range(10**6, 10**6 + 60))])
    assert [job.state for job in found.values() if job] == [AppState.CANCELLED]


def test_a_forgotten_job_without_any_note_is_lost(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    slurm.command("scancel", app_id)
    slurm_jobs.end(app_id)
    forgotten(slurm, app_id)
    described = slurm_jobs.describe(app_id)
    assert described.state == AppState.FAILED
    assert described.msg.startswith("lost: ")


@pytest.mark.skipif(not limits_memory(), reason="this kernel can't tell")
def test_out_of_memory_is_named(slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.run("python3 -c 'len(bytes([1]) * 500_000_000)'; exit 0")
    described = waited_for(slurm_jobs, app_id)
    (replica,) = described.roles_statuses[0].replicas
    assert described.msg == f"worker/0 on {replica.hostname}: out of memory"
