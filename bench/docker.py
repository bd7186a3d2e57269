"""``local_docker`` with a job of 100 containers: calls, threads and time, beside bare calls of the engine.

Starts a Docker engine of its own; needs root and `dockerd`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.timing import Row, compare, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchx_docker.scheduler import DockerScheduler

REPLICAS, LINES = 100, 1000
IDLE = 5.0
"""Seconds for which quiet logs are followed."""


def run(rounds: int = 7) -> Iterator[Row]:
    """Import; status and logs of a job of 100 containers, and following them while they are quiet."""
    yield _import(rounds * 5)
    from tests.cluster.docker.engine import install_docker, installed_clients, running_engine
    from tests.cluster.docker.host_image import host_image
    from torchx_docker.scheduler import create_scheduler

    install_docker()
    with tempfile.TemporaryDirectory() as folder, running_engine() as host:
        os.environ.update(TORCHX_HOME=f"{folder}/home", DOCKER_HOST=host)
        archive = Path(folder, "tools.tar")
        archive.write_bytes(host_image())
        installed_clients()[0].run(host, "import", str(archive), "tools:1").check_returncode()
        scheduler = create_scheduler("bench")
        app_id = _submit(scheduler)
        try:
            yield from _status(scheduler, app_id, rounds)
            yield from _logs(scheduler, app_id, rounds)
            yield from _quiet(scheduler, app_id)
            scheduler.delete(app_id)
            app_id = _submit_failing(scheduler)
            yield from _status_of_failed(scheduler, app_id)
        finally:
            scheduler.delete(app_id)
            scheduler.close()


def _import(rounds: int) -> Row:
    bare = "import torchx.plugins; from torchx.plugins import SchedulerPlugin, hookimpl"
    return compare(
        "import torchx_docker.plugin, to what it needs of the core",
        lambda: seconds([sys.executable, "-c", f"{bare}; import torchx_docker.plugin"]),
        lambda: seconds([sys.executable, "-c", bare]),
        target=1.1,
        rounds=rounds,
    )


def _submit(scheduler: DockerScheduler) -> str:
    from torchx.specs import AppDef, RetryPolicy, Role

    code = f"seq {LINES}; sleep 3600"
    # With restarts of the engine's, which its list of containers does not count.
    role = Role("worker", "tools:1", entrypoint="sh", args=["-c", code], num_replicas=REPLICAS)
    role.max_retries, role.retry_policy = 3, RetryPolicy.REPLICA
    app_id = scheduler.schedule(scheduler.submit_dryrun(AppDef("bench", [role]), {"quiet": True}))
    while any(_size(log) < _size(str(LINES)) for log in _tails(scheduler, app_id)):
        time.sleep(0.5)
    return app_id


def _submit_failing(scheduler: DockerScheduler) -> str:
    from torchx.specs import AppDef, Role

    role = Role("worker", "tools:1", entrypoint="sh", args=["-c", "exit 1"], num_replicas=REPLICAS)
    app_id = scheduler.schedule(scheduler.submit_dryrun(AppDef("bench", [role]), {"quiet": True}))
    filters = {"label": [f"torchx.pytorch.org/app-id={app_id}"]}
    while scheduler._engine.client.api.containers(filters=filters):
        time.sleep(0.5)
    return app_id


def _size(text: str) -> int:
    return len(text.strip())


def _tails(scheduler: DockerScheduler, app_id: str) -> list[str]:
    api = scheduler._engine.client.api
    found = api.containers(all=True, filters={"label": [f"torchx.pytorch.org/app-id={app_id}"]})
    return [api.logs(container["Id"], tail=1).decode() for container in found]


def _status(scheduler: DockerScheduler, app_id: str, rounds: int) -> Iterator[Row]:
    api = scheduler._engine.client.api
    calls = _count_calls(scheduler, lambda: scheduler.describe(app_id))
    yield Row(f"calls for the status of {REPLICAS} containers, to one", calls, 1, f"{calls} calls")
    filters = {"label": [f"torchx.pytorch.org/app-id={app_id}"]}
    yield compare(
        f"status of {REPLICAS} containers, to the bare call",
        lambda: _timed(lambda: scheduler.describe(app_id)),
        lambda: _timed(lambda: api.containers(all=True, filters=filters)),
        target=1.5,
        rounds=rounds * 3,
    )


def _status_of_failed(scheduler: DockerScheduler, app_id: str) -> Iterator[Row]:
    from torchx_docker.details import MOST_EXPLAINED

    for when, most in (("the first", 1 + 2 * MOST_EXPLAINED), ("a later", 1)):
        calls = _count_calls(scheduler, lambda: scheduler.describe(app_id))
        what = f"calls for {when} status of {REPLICAS} containers, most of which have failed"
        yield Row(what, calls, most, f"{calls} calls")


def _logs(scheduler: DockerScheduler, app_id: str, rounds: int) -> Iterator[Row]:
    api = scheduler._engine.client.api
    containers = [c["Id"] for c in api.containers(filters={"label": [f"torchx.pytorch.org/app-id={app_id}"]})]

    def bare() -> None:
        for container in containers:
            assert api.logs(container, timestamps=True).count(b"\n") == LINES

    yield compare(
        f"{LINES} log lines of {REPLICAS} containers each, to the SDK's loop over them",
        lambda: _timed(lambda: _read(scheduler, app_id)),
        lambda: _timed(bare),
        target=1.5,
        rounds=rounds,
    )
    calls = _count_calls(scheduler, lambda: _read(scheduler, app_id))
    yield Row("calls for all these lines, to one for each container", calls / REPLICAS, 1.05, f"{calls} calls")


def _quiet(scheduler: DockerScheduler, app_id: str) -> Iterator[Row]:
    """Follows logs to which nothing is added, and counts threads, calls and CPU time."""
    begin = time.monotonic()
    measured: dict[str, float] = {}
    wait = scheduler.log_waiter(app_id)

    def wait_and_measure(pause: float) -> None:
        wait(pause)
        passed = time.monotonic() - begin
        measured.setdefault("cpu", 0.0)
        if passed > 2 and "from" not in measured:
            measured.update({"from": time.process_time(), "calls": float(calls[0])})
        if passed > 2 + IDLE:
            measured["cpu"] = time.process_time() - measured["from"]
            measured["calls"] = calls[0] - measured["calls"]
            measured["threads"] = threading.active_count() - 1
            raise StopIteration

    from torchx.schedulers.logs import follow

    sources = {k: scheduler.log_source(app_id, "worker", k) for k in range(REPLICAS)}
    with _Calls(scheduler) as calls:
        try:
            for _ in follow(sources, should_tail=True, wait=wait_and_measure, max_idle=1.0):
                pass
        except (StopIteration, RuntimeError):  # what a generator makes of it
            pass
    yield Row(f"threads while {REPLICAS} logs are followed, to none", measured["threads"], 0, "beside the main one")
    yield Row(f"calls in {IDLE:g} s of following {REPLICAS} quiet logs, to none", measured["calls"], 0, "calls")
    yield Row(
        f"CPU time of following {REPLICAS} quiet logs, to the time that passes",
        measured["cpu"] / IDLE,
        0.05,
        f"{measured['cpu'] * 1000:.0f} ms in {IDLE:g} s",
    )


def _read(scheduler: DockerScheduler, app_id: str) -> None:
    from torchx.runner._logs import LogQuery, log_blocks

    replicas = [("worker", k) for k in range(REPLICAS)]
    lines = sum(block.count(b"\n") for _, block in log_blocks(scheduler, app_id, replicas, LogQuery()))
    assert lines == REPLICAS * LINES, lines


class _Calls:
    """Counts the requests that a scheduler sends."""

    def __init__(self, scheduler: DockerScheduler) -> None:
        self._api: Any = scheduler._engine.client.api
        self._count = 0

    def __getitem__(self, index: int) -> int:
        return self._count

    def __enter__(self) -> _Calls:
        send = type(self._api).send

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._count += 1
            return send(self._api, *args, **kwargs)

        self._api.send = counted
        return self

    def __exit__(self, *error: object) -> None:
        del self._api.send


def _count_calls(scheduler: DockerScheduler, do: Callable[[], object]) -> int:
    with _Calls(scheduler) as calls:
        do()
    return calls[0]


def _timed(do: Callable[[], object]) -> float:
    begin = time.perf_counter()
    do()
    return time.perf_counter() - begin
