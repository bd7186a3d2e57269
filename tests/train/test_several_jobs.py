"""Distributed jobs beside each other, and one that loses a node, on this machine. Needs torch: it fails without."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch  # noqa: F401  # without it nothing here means anything

from torchx.components import dist
from torchx.schedulers.local_scheduler import LocalScheduler, create_scheduler
from torchx.specs import AppState

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = 150
"""Seconds for one job. Processes that import torch take half a minute on two busy cores."""

MEET = """
import os, pathlib, time
import torch.distributed as dist
dist.init_process_group("gloo")
rank = dist.get_rank()
pathlib.Path(f"met-{os.environ['TORCHX_JOB']}-{rank}-{dist.get_world_size()}").write_text(str(os.getpid()))
while not pathlib.Path("go").exists():
    dist.barrier()
    time.sleep(0.1)
"""


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalScheduler:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (work / "meet.py").write_text(MEET)
    return create_scheduler("train")


def start(scheduler: LocalScheduler, name: str, j: str, **options: str) -> str:
    app = dist.ddp(script="meet.py", j=j, env={"TORCHX_JOB": name}, **options)  # type: ignore[arg-type]
    return scheduler.schedule(scheduler.submit_dryrun(app, {}))


def until(look: Callable[[], bool], scheduler: LocalScheduler, app_id: str) -> None:
    end = time.monotonic() + TIMEOUT
    while not look():
        if time.monotonic() > end:
            pytest.fail("\n".join(line for k in (0, 1) for line in scheduler.log_iter(app_id, "meet", k)))
        time.sleep(0.05)


def state(scheduler: LocalScheduler, app_id: str) -> AppState:
    described = scheduler.describe(app_id)
    assert described is not None
    return described.state


def ended(scheduler: LocalScheduler, app_id: str) -> AppState:
    until(lambda: state(scheduler, app_id).name in ("SUCCEEDED", "FAILED", "CANCELLED"), scheduler, app_id)
    return state(scheduler, app_id)


def test_two_jobs_of_two_nodes_at_once_do_not_meet_each_other(scheduler: LocalScheduler) -> None:
    jobs = [start(scheduler, name, "2x1") for name in ("a", "b")]
    for name, app_id in zip("ab", jobs, strict=True):
        for rank in (0, 1):
            until(Path(f"met-{name}-{rank}-2").exists, scheduler, app_id)
    Path("go").touch()
    assert [ended(scheduler, app_id) for app_id in jobs] == [AppState.SUCCEEDED] * 2


def test_an_elastic_job_goes_on_without_a_node(scheduler: LocalScheduler) -> None:
    app_id = start(
        scheduler, "e", "1:2x1", rdzv_conf="last_call_timeout=2,keep_alive_interval=2,keep_alive_max_attempt=5"
    )
    try:
        for rank in (0, 1):
            until(Path(f"met-e-{rank}-2").exists, scheduler, app_id)
        second = scheduler._store.state(app_id)["replicas"][1]["pid"]  # type: ignore[index]
        os.killpg(second, signal.SIGKILL)
        until(Path("met-e-0-1").exists, scheduler, app_id)
        Path("go").touch()
        assert ended(scheduler, app_id) is AppState.SUCCEEDED
        described = scheduler.describe(app_id)
        assert described is not None
        assert described.msg == "the job goes on without some: replica meet/1 was killed by SIGKILL"
    finally:
        scheduler.cancel(app_id)
