"""What happens at the same time, or is cut in the middle, leaves one whole job or none."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.core.local.kit import Jobs, role, shell, until
from torchx.schedulers._local import launch as launching
from torchx.schedulers._local import proctree
from torchx.specs import AppDef, AppState

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("attempt", range(5))
def test_threads_that_schedule_one_request_make_one_job(jobs: Jobs, home: Path, attempt: int) -> None:
    info = jobs.scheduler.submit_dryrun(AppDef("job", [role("sleep", "1000")]), {})
    jobs.ids.append(info.request.app_id)
    together = threading.Barrier(4)

    def schedule() -> str:
        together.wait()
        return jobs.scheduler.schedule(info)

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(schedule) for _ in range(4)]
    assert [result.result() for result in results] == [info.request.app_id] * 4
    assert [path.name for path in (home / "local").iterdir()] == [info.request.app_id]


def test_cancel_during_the_start_is_not_lost(jobs: Jobs) -> None:
    info = jobs.scheduler.submit_dryrun(AppDef("job", [role("sleep", "1000", num_replicas=40)]), {})
    jobs.ids.append(info.request.app_id)
    submitter = threading.Thread(target=jobs.scheduler.schedule, args=[info])
    submitter.start()
    until(lambda: jobs.scheduler.exists(info.request.app_id))
    jobs.scheduler.cancel(info.request.app_id)
    submitter.join()
    assert jobs.wait(info.request.app_id).state is AppState.CANCELLED


def test_submission_interrupted_while_the_replicas_start_is_cancelled(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = jobs.scheduler.submit_dryrun(AppDef("job", [role("sleep", "1000")]), {})
    jobs.ids.append(info.request.app_id)

    def interrupt(fd: int) -> bytes:
        until(lambda: jobs.state(info.request.app_id).state is AppState.RUNNING)
        raise KeyboardInterrupt

    monkeypatch.setattr(launching, "_read_answer", interrupt)
    with pytest.raises(KeyboardInterrupt):
        jobs.scheduler.schedule(info)
    assert jobs.wait(info.request.app_id).state is AppState.CANCELLED


@pytest.mark.parametrize("step", ["statefile.allocate", "launch.Launch.start"], ids=["records", "supervisor"])
def test_submission_interrupted_before_the_start_leaves_nothing(
    jobs: Jobs, home: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"torchx.schedulers._local.{step}", interrupt)
    with pytest.raises(KeyboardInterrupt):
        jobs.submit(role("sleep", "1000"))
    assert list((home / "local").iterdir()) == []


def test_process_forked_off_during_the_submission_does_not_hold_it_up(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn = launching._spawn
    forked = []

    def spawn_and_fork(order: int, answer: int) -> int:
        pid = spawn(order, answer)
        forked.append(os.fork())
        if not forked[0]:
            time.sleep(1000)
        return pid

    monkeypatch.setattr(launching, "_spawn", spawn_and_fork)
    try:
        assert jobs.wait(jobs.submit(shell("echo up"))).state is AppState.SUCCEEDED
    finally:
        os.kill(forked[0], signal.SIGKILL)
        os.waitpid(forked[0], 0)


def test_job_is_no_lost_one_while_its_guardian_still_starts_it(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The submitter may be killed when it has just told the supervisor what to do."""
    app_id = jobs.submit(role("sleep", "1000"))
    request = jobs.scheduler._store.request(app_id)
    assert request is not None
    assert proctree.is_alive(*request["guardian"])
    not_yet = {"state": "SUBMITTED", "msg": "", "replicas": []}
    monkeypatch.setattr(jobs.scheduler._store, "request", lambda _: {**request, "submitter": [0, None]})
    assert jobs.scheduler._store._check_alive(app_id, not_yet) == not_yet


def test_threads_that_delete_one_running_job_all_succeed(jobs: Jobs, home: Path) -> None:
    app_id = jobs.submit(role("sleep", "1000"))
    together = threading.Barrier(4)

    def delete() -> None:
        together.wait()
        jobs.scheduler.delete(app_id)

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(delete) for _ in range(4)]
    assert [result.exception() for result in results] == [None] * 4
    assert list((home / "local").iterdir()) == []


def test_open_files_of_the_submitter_are_not_the_jobs(jobs: Jobs) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    app_id = jobs.submit(shell("echo up; sleep 1000"))
    os.close(write)
    os.set_blocking(read, False)
    until(lambda: jobs.lines(app_id))
    assert os.read(read, 1) == b""  # its end: nobody can write to it any more
    os.close(read)
