"""A site without accounting: slurmctld knows a job for a while after its end, and then only the job's own files do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.slurm_cluster import running_cluster
from tests.cluster.test_slurm_states import forgotten
from torchx.specs.api import AppState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.slurm_cluster import SlurmCluster
    from tests.cluster.slurm_jobs import SlurmJobs


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
    assert "3" in described.msg
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
    assert "3" in described.msg
    assert slurm_jobs.lines(good) == ["good\n"]
    assert slurm_jobs.scheduler.exists(bad)


def test_a_forgotten_job_that_was_cancelled_is_no_success(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.run("sleep 600")
    slurm_jobs.reach(app_id, AppState.RUNNING)
    slurm_jobs.scheduler.cancel(app_id)
    slurm_jobs.end(app_id)
    forgotten(slurm, app_id)
    described = slurm_jobs.scheduler.describe(app_id)
    assert described is None or described.state != AppState.SUCCEEDED
    slurm_jobs.ids.remove(app_id)
