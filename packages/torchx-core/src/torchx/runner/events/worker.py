"""One thread beside the program that serves the destinations which may be slow."""

from __future__ import annotations

import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE_LIMIT = 1000
"""Records that may wait. Those that come when so many do are dropped: a handler that hangs must not fill the memory."""

EXIT_TIMEOUT = 2.0
"""Seconds for which the end of the program waits for records that are still on their way."""


class Worker:
    """Runs jobs in order on a thread that starts with the first one and never keeps the program alive."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def put(self, job: Callable[[], object]) -> None:
        """Run a job soon, unless too many wait already. The job must not raise."""
        if self._jobs.qsize() >= QUEUE_LIMIT:
            self.dropped += 1
            return
        self._jobs.put(job)
        self._ensure_running()

    def flush(self, timeout: float) -> bool:
        """Wait until all jobs put so far have run, at most for `timeout` seconds; whether they have."""
        if self._thread is None:
            return True
        done = threading.Event()
        self._jobs.put(done.set)
        return done.wait(timeout)

    def _ensure_running(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="torchx-events", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._jobs.get()()


_worker: Worker | None = None
_worker_lock = threading.Lock()


def get_worker() -> Worker:
    """The worker of this process, made on first use."""
    global _worker
    with _worker_lock:
        if _worker is None:
            import atexit

            _worker = Worker()
            atexit.register(flush_worker, EXIT_TIMEOUT)
        return _worker


def flush_worker(timeout: float) -> bool:
    """As `Worker.flush` for the worker of this process, if there is one."""
    return _worker is None or _worker.flush(timeout)


def _forget_worker() -> None:
    # A fork copies no threads: the child's first record starts a worker of its own.
    global _worker, _worker_lock
    _worker = None
    _worker_lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_worker)
