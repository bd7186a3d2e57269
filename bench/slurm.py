"""The Slurm backend without a cluster: requests, thousands of jobs as recorded, logs of many replicas."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.timing import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JOBS = 5000
REPLICAS = 100

FOLLOW = """
import resource, sys
from torchx.runner._logs import LogQuery, log_blocks
from torchx_slurm.scheduler import create_scheduler
replicas = [("worker", k) for k in range(int(sys.argv[1]))]
size = sum(len(block) for _, block in log_blocks(create_scheduler("bench"), "7", replicas, LogQuery(should_tail=True)))
assert size == int(sys.argv[2]), size
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run(rounds: int = 5) -> Iterator[Row]:
    """Dry runs, listing, description, import, memory of a tail."""
    yield from _dry_runs(rounds)
    with tempfile.TemporaryDirectory() as folder:
        yield from _many_jobs(Path(folder), rounds)
    yield _import(rounds * 3)
    with tempfile.TemporaryDirectory() as folder:
        yield _memory(Path(folder))


def _dry_runs(rounds: int) -> Iterator[Row]:
    from torchx.specs import AppDef, Resource, Role
    from torchx_slurm.scheduler import create_scheduler

    def seconds(count: int) -> float:
        resource = Resource(cpu=4, gpu=1, memMB=1024)
        roles = [
            Role(f"role-{n}", "image", entrypoint="train", args=["--lr", "0.1", "${replica_id}"], env={"A": "b"},
                 num_replicas=10, resource=resource)
            for n in range(count)
        ]  # fmt: skip
        scheduler = create_scheduler("bench")

        def once() -> float:
            begin = time.process_time()
            scheduler.submit_dryrun(AppDef("app", roles), {}).request.render()
            return time.process_time() - begin

        return _median(once, rounds)

    few, many = seconds(100), seconds(1000)
    yield Row("dry run of 1,000 roles x 10 replicas, to 1 s", many, 1.0, f"{many:.2f} s of CPU")
    yield Row("the same, to 10 dry runs of 100 roles x 10", many / (10 * few), 1.5, f"{many:.2f} s to {10 * few:.2f} s")


def _many_jobs(folder: Path, rounds: int) -> Iterator[Row]:
    """Slurm's commands are programs that print what was recorded, for so many jobs.

    All of them were submitted from here. In the second round Slurm has lost half of them, and their own notes are read.
    """
    import torchx_slurm.client
    from torchx_slurm.scheduler import create_scheduler

    separator = "\x1f"
    torchx_slurm.client.new_separator = lambda: separator  # type: ignore[attr-defined]  # as it is recorded
    half = JOBS // 2
    live = (("RUNNING", "None", "n1", "/shared/x/job.sh", "torchx:x", "train"), range(half))
    queue = "".join(f"{separator.join((str(n), *live[0], ''))}\n" for n in live[1])
    past = "".join(
        f"{separator.join((f'{n}{step}', 'FAILED', '3:0', '3:0', 'n1', 'train', ''))}\n"
        for n in range(half, JOBS)
        for step in ("", ".batch", ".0")
    )
    for name, text in (("squeue", queue), ("sacct", past)):
        (folder / f"{name}.out").write_text(text)
        version = '[ "$1" = --version ] && { echo slurm 22.05.8; exit 0; }'
        (folder / name).write_text(f"#!/bin/sh\n{version}\nexec cat {folder}/{name}.out\n")
        (folder / name).chmod(0o755)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    os.environ["TORCHX_HOME"] = str(folder / "home")
    ids = [str(n) for n in range(JOBS)]
    _fill(folder / "jobs", ids)
    for lost in ("", ", half of them lost"):
        if lost:
            (folder / "sacct.out").write_text(past.replace("FAILED", "RUNNING"))
        scheduler = create_scheduler("bench")
        assert len(scheduler.list()) == JOBS
        assert sum(found is not None for found in scheduler.describe_many(ids).values()) == JOBS
        for name, do in (("list", scheduler.list), ("describe_many", lambda: scheduler.describe_many(ids))):  # noqa: B023
            took = _median(lambda do=do: _timed(do), rounds)  # type: ignore[misc]  # a default keeps the loop's value
            yield Row(f"{name} of {JOBS:,} jobs{lost}, to 1 s", took, 1.0, f"{took:.2f} s")


def _fill(folder: Path, ids: list[str]) -> None:
    """Jobs as they are after their submission from here; the second half has ended."""
    from torchx.schedulers.batch.registry import Registry
    from torchx_slurm.scheduler import create_scheduler

    registry = Registry("slurm")
    site = create_scheduler("bench")._jobs.site(None)
    for app_id in ids:
        job = folder / f"key-{app_id}"
        job.mkdir(parents=True)
        (job / "job.json").write_text(json.dumps({"name": "train", "key": job.name, "metadata": {}, "roles": []}))
        if int(app_id) >= len(ids) // 2:
            (job / "end").write_text("3\n")
        registry.submitted(job.name, app_id, folder=str(job), site=site)


def _import(rounds: int) -> Row:
    """What the plugin module adds to the import of the plugin kernel."""

    def took() -> float:
        code = "import time, torchx.plugins as p; b = time.perf_counter(); import torchx_slurm.plugin; "
        code += "print(time.perf_counter() - b)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return float(done.stdout)

    seconds = _median(took, rounds)
    return Row("import torchx_slurm.plugin over bare core, to 2 ms", seconds / 0.002, 1.0, f"{seconds * 1000:.2f} ms")


def _memory(folder: Path) -> Row:
    """Peak memory of a process that follows the logs of all replicas: ten times the lines take no more."""
    from torchx.schedulers.batch.registry import Registry
    from torchx.specs import AppDef, Resource, Role
    from torchx_slurm.scheduler import create_scheduler

    os.environ["TORCHX_HOME"] = str(folder)
    role = Role("worker", "image", entrypoint="x", num_replicas=REPLICAS, resource=Resource(cpu=1, gpu=0, memMB=1))
    request = create_scheduler("bench").submit_dryrun(AppDef("app", [role]), {}).request
    job = Path(request.folder)
    job.mkdir(parents=True)
    (job / "job.json").write_text(json.dumps(request.record()))
    Registry("slurm").submitted(request.key, "7", folder=str(job))

    def peak(lines: int) -> float:
        block = b"a line of a training job, as long as they usually are: loss=0.1234 step=100000\n" * lines
        for k in range(REPLICAS):
            replica = job / "logs" / "worker" / str(k)
            replica.mkdir(parents=True, exist_ok=True)
            (replica / "stdout.log").write_bytes(block)
            (replica / "state").write_text("start 0 n1 1\nend 0 0 2\n")
        size = str(len(block) * REPLICAS)
        done = subprocess.run(
            [sys.executable, "-c", FOLLOW, str(REPLICAS), size], capture_output=True, text=True, check=True
        )
        return int(done.stdout) / 1024

    few, many = peak(2_000), peak(20_000)
    return Row(
        f"peak memory of following {REPLICAS} replicas, 10 times the lines",
        many / few,
        1.1,
        f"{many:.0f} to {few:.0f} MB",
    )


def _timed(do: Callable[[], object]) -> float:
    begin = time.perf_counter()
    do()
    return time.perf_counter() - begin


def _median(once: Callable[[], float], rounds: int) -> float:
    once()
    return statistics.median(once() for _ in range(rounds))
