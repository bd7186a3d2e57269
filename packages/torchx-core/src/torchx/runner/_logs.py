"""Follows the logs of many replicas of a job, whatever its scheduler offers."""

from __future__ import annotations

from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from typing import Any

    from torchx.schedulers.api import Scheduler, Stream

MAX_THREADS = 64
"""Threads for schedulers that only offer blocking iterators; further replicas wait for a free one."""

_MAX_IDLE = 1.0
"""Seconds between two reads of an idle source where the scheduler tells of news."""

Replica = tuple[str, int]


@dataclass(frozen=True)
class LogQuery:
    """Which lines of a replica's log to give; the names are those of ``Scheduler.log_iter``."""

    regex: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    should_tail: bool = False
    streams: Stream | None = None


def log_blocks(
    scheduler: Scheduler[Any], app_id: str, replicas: Sequence[Replica], query: LogQuery
) -> Iterator[tuple[Replica, bytes]]:
    """Blocks of whole lines of all the replicas, as they come.

    Args:
        scheduler: the job's scheduler.
        app_id: the job.
        replicas: role names and replica indices.
        query: which lines.

    Yields:
        The replica, and lines of it; only the last line of a replica may lack its line end.
    """
    from torchx.schedulers.api import Scheduler

    if type(scheduler).log_source is Scheduler.log_source:
        yield from _from_iterators(scheduler, app_id, replicas, query)
        return
    import time

    from torchx.schedulers.logs import MAX_IDLE, compile_regex, filter_block, follow

    pattern = None if query.regex is None else compile_regex(query.regex)
    wait = scheduler.log_waiter(app_id)
    sources = {
        (role, k): scheduler.log_source(app_id, role, k, since=query.since, until=query.until, streams=query.streams)
        for role, k in replicas
    }
    max_idle = MAX_IDLE if wait is time.sleep else _MAX_IDLE
    for replica, block in follow(sources, should_tail=query.should_tail, wait=wait, max_idle=max_idle):
        lines = block if pattern is None else filter_block(block, pattern)
        if lines:
            yield replica, lines


def _from_iterators(
    scheduler: Scheduler[Any], app_id: str, replicas: Sequence[Replica], query: LogQuery
) -> Iterator[tuple[Replica, bytes]]:
    """For schedulers with nothing but ``log_iter``, which blocks: a bounded number of threads and one queue."""
    import queue
    from concurrent.futures import ThreadPoolExecutor

    if not replicas:
        return
    lines: queue.Queue[tuple[Replica, bytes | None]] = queue.Queue(maxsize=1024)
    stopped = False

    def put(item: tuple[Replica, bytes | None]) -> None:
        while not stopped:
            try:
                lines.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def read(replica: Replica) -> None:
        role, k = replica
        try:
            for line in scheduler.log_iter(app_id, role, k, **vars(query)):
                put((replica, line.encode("utf-8", "surrogateescape")))
                if stopped:
                    return
        finally:
            put((replica, None))

    pool = ThreadPoolExecutor(min(MAX_THREADS, len(replicas)), thread_name_prefix="torchx-log")
    try:
        tasks = [pool.submit(read, replica) for replica in replicas]
        left = len(replicas)
        while left:
            replica, line = lines.get()
            if line is None:
                left -= 1
            else:
                yield replica, line
        for task in tasks:
            task.result()
    finally:
        stopped = True
        pool.shutdown(wait=False, cancel_futures=True)
