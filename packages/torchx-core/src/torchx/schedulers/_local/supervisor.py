"""The process that owns a local job: starts the replicas, keeps their output, restarts and ends them, records it all.

It runs detached from whoever submitted the job (``python -I -S``, standard library only) and sleeps in the kernel
between events. It is two processes: the supervisor, and above it the guardian (``guardian.py``), which does nothing
until the supervisor dies and then leaves nothing behind. Whichever is killed, the other one ends the job and records
why.
"""

from __future__ import annotations

import errno
import os
import time

from torchx.schedulers._local import proctree
from torchx.schedulers._local.files import CANCEL_FILE, PULSE_FILE, STATE_FILE, make_private
from torchx.schedulers._local.output import STREAMS, Output, read_available
from torchx.schedulers._local.poller import Poller
from torchx.schedulers._local.records import to_json
from torchx.schedulers._local.replica import GRACE, Group, Replica
from torchx.schedulers._local.signals import signal
from torchx.schedulers._local.statefile import StateWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_STATE_INTERVAL = 0.05  # seconds between two records of intermediate changes; an end is recorded at once
_KILL_TIMEOUT = 3.0  # seconds in which killed processes must be gone; GRACE and this stay below the promised 10
_DISK_PATIENCE = 5.0  # seconds to wait for space for log lines before the job fails
_RETRY_WRITE = 0.25


class Supervisor:
    """Runs one job to its end.

    Args:
        folder: the job's folder, with its request.
        request: the parsed request.
        pipes: for every replica, in order, the read and write ends of its stdout and stderr.
        guardian_fd: reading end of a pipe that closes when the guardian dies.
        tell: called once with None when all replicas were started, or with what went wrong.
    """

    def __init__(
        self,
        folder: str,
        request: dict[str, Any],
        pipes: list[list[tuple[int, int]]],
        guardian_fd: int,
        tell: Callable[[str | None], None],
    ) -> None:
        self._folder = folder
        self._request = request
        self._guardian_fd = guardian_fd
        self._guardian_pid = os.getppid()
        self._tell = tell
        self._environment = dict(os.environ)  # looked up once: os.environ decodes at every look
        self._groups = [Group(role) for role in request["roles"]]
        self._replicas: list[Replica] = []
        for group in self._groups:
            for index, spec in enumerate(group.role["replicas"]):
                group.replicas.append(Replica(group, index, spec, pipes[len(self._replicas) + index]))
            self._replicas.extend(group.replicas)
        self._running: dict[int, Replica] = {}
        self._streams: dict[int, tuple[Replica, str]] = {}
        self._poller = Poller()
        self._pulse = os.open(os.path.join(folder, PULSE_FILE), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._beats = 0
        self._state = StateWriter(os.path.join(folder, STATE_FILE), 4096 + 512 * len(self._replicas))
        self._dirty_since: float | None = None
        self._next_write = 0.0
        self._app_state = "RUNNING"
        self._msg = ""
        self._restarts = 0
        self._started = time.time()
        self._ending: str | None = None  # the state that the job will end in
        self._kill_at: float | None = None
        self._escaping: set[int] = set()
        self._full_since: float | None = None
        self._lost_lines: str | None = None  # why lines could not be written
        self._identity = {
            "host": os.uname().nodename,
            "boot": proctree.boot_id(),
            "supervisor": proctree.identity(os.getpid()),
            "guardian": proctree.identity(self._guardian_pid),
        }

    # -- the loop --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Starts the replicas and returns when the job has ended and its end is on disk."""
        wakeup = self._catch_signals()
        self._poller.add(wakeup)
        self._poller.add(self._guardian_fd)
        if not self._start_all():
            return
        self._write_state()
        self._tell(None)
        # Who cancelled before the state told our process id could not wake us.
        self._check_cancel()
        while self._running or self._waiting() or (self._full_since is not None and not self._lost_lines):
            for fd in self._poller.wait(self._timeout()):
                if fd in self._streams:
                    self._pump(fd)
                elif fd == wakeup:
                    read_available(wakeup)
                elif fd == self._guardian_fd:
                    self._poller.remove(fd)
                    self._end("FAILED", "the job's guardian process was killed")
            self._check_cancel()
            self._reap()
            self._continue()
            if self._dirty_since is not None and time.monotonic() >= self._next_write:
                self._write_state()
        self._finish()

    def _catch_signals(self) -> int:
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        return read

    def _timeout(self) -> float | None:
        due = [t for t in (self._kill_at, *(g.kill_at for g in self._groups)) if t is not None]
        if self._dirty_since is not None:
            due.append(self._next_write)
        if self._full_since is not None:
            due.append(time.monotonic() + _RETRY_WRITE)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _waiting(self) -> bool:
        return any(group.restarting for group in self._groups)

    # -- starting --------------------------------------------------------------------------------------------------

    def _start_all(self) -> bool:
        problem = None
        for replica in self._replicas:
            problem = self._start(replica)
            if problem:
                break
        if problem is None:
            return True
        self._kill_everybody()
        self._state.close()
        self._tell(problem)
        return False

    def _start(self, replica: Replica) -> str | None:
        """Starts one replica; returns what went wrong."""
        try:
            if replica.output is None:
                make_private(replica.spec["log_dir"])
                replica.output = Output(replica.spec["log_dir"])
                for name, (read, _) in zip(STREAMS, replica.pipes, strict=True):
                    self._streams[read] = (replica, name)
                    self._poller.add(read)
            replica.start(self._environment)
        except OSError as error:
            return describe_start_error(replica, error)
        self._running[replica.pid] = replica
        return None

    # -- output ----------------------------------------------------------------------------------------------------

    def _pump(self, fd: int) -> None:
        replica, stream = self._streams[fd]
        data = read_available(fd)
        if data:
            self._keep(replica, stream, data)
            self._beat()

    def _keep(self, replica: Replica, stream: str, data: bytes) -> None:
        assert replica.output is not None
        try:
            replica.output.write(stream, data)
        except OSError:
            self._disk_trouble()

    def _disk_trouble(self) -> None:
        """Stops reading, so that writers wait, and fails the job when the disk stays full."""
        if self._full_since is None:
            self._full_since = time.monotonic()
            for fd in self._streams:
                self._poller.remove(fd)

    def _retry_disk(self) -> None:
        try:
            for replica in self._replicas:
                if replica.output is not None:
                    replica.output.drain()
        except OSError as error:
            if self._full_since is not None and time.monotonic() - self._full_since > _DISK_PATIENCE:
                self._lost_lines = f"can't write the job's logs: {error.strerror}"
                self._end("FAILED", self._lost_lines)
            return
        self._full_since = None
        for fd in self._streams:
            self._poller.add(fd)

    def _drain(self, replica: Replica) -> None:
        """Reads what an ended replica left in its pipes."""
        for (read, _), stream in zip(replica.pipes, STREAMS, strict=True):
            while self._full_since is None and (data := read_available(read)):
                self._keep(replica, stream, data)

    # -- ends and restarts -----------------------------------------------------------------------------------------

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            replica = self._running.pop(pid, None)
            if replica is not None:
                replica.ended(os.waitstatus_to_exitcode(status))
                self._drain(replica)
                self._changed()
                if not replica.stopped and replica.exit_code != 0:
                    self._failed(replica)

    def _failed(self, replica: Replica) -> None:
        """A replica failed by itself: restarts what its policy says, or takes the whole job down."""
        if self._ending or replica.group.restarting:
            return
        role = replica.group.role
        policy, limit = role["retry_policy"], role["max_retries"]
        used = {"APPLICATION": self._restarts, "ROLE": replica.group.restarts, "REPLICA": replica.restarts}[policy]
        if used >= limit:
            self._end("FAILED", replica.failure())
            return
        if policy == "REPLICA":
            replica.restarts += 1
            replica.group.restart([replica])
        elif policy == "ROLE":
            replica.group.restarts += 1
            replica.group.restart(replica.group.replicas)
        else:
            self._restarts += 1
            for group in self._groups:
                group.restart(group.replicas)

    def _continue(self) -> None:
        """Does what is due: kills who ignored SIGTERM, starts again what has stopped, tries the disk again."""
        now = time.monotonic()
        if self._full_since is not None:
            self._retry_disk()
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self._kill_everybody()
        for group in self._groups:
            if group.kill_at is not None and now >= group.kill_at:
                group.kill(signal.SIGKILL)
        if not self._ending and all(group.is_stopped() for group in self._groups):
            for group in self._groups:
                self._restart(group)

    def _restart(self, group: Group) -> None:
        for replica in group.take_restarting():
            # The next attempt's first line is not the end of the last one's.
            for stream in replica.output.unended() if replica.output else ():
                self._keep(replica, stream, b"\n")
            problem = self._start(replica)
            self._changed()
            if problem:
                self._end("FAILED", problem)
                return

    def _check_cancel(self) -> None:
        if not self._ending and os.path.exists(os.path.join(self._folder, CANCEL_FILE)):
            self._end("CANCELLED", "cancelled by the user")

    def _end(self, state: str, msg: str) -> None:
        """Begins to end the job: everybody gets SIGTERM now, and SIGKILL after the grace time."""
        if self._ending:
            return
        self._ending, self._msg = state, msg
        for group in self._groups:
            group.take_restarting()
        for replica in self._running.values():
            replica.stopped = True
        if self._running:
            self._kill_at = time.monotonic() + GRACE
            family = self._family()
            if proctree.PORTABLE:  # where no orphan comes back to us: the groups that they will be found by
                self._escaping = proctree.groups_of(family)
            proctree.send(family, signal.SIGTERM)
        self._changed()

    def _family(self) -> list[int]:
        me = os.getpid()
        return proctree.family({me, self._guardian_pid}, set(self._running), {me, self._guardian_pid})

    def _kill_everybody(self) -> None:
        me = os.getpid()
        groups = {*self._running, *self._escaping}
        left = proctree.kill_all({me, self._guardian_pid}, groups, {me, self._guardian_pid}, timeout=_KILL_TIMEOUT)
        if left:
            self._msg += f"; could not kill: {', '.join(map(str, left))}"

    def _finish(self) -> None:
        """Leaves no process, no byte in a pipe, and the end on disk."""
        if not proctree.has_no_children(os.getpid()):
            self._kill_everybody()
        for replica in self._replicas:
            self._drain(replica)
            if replica.output is not None:
                try:
                    replica.output.close()
                except OSError as error:
                    self._ending = "FAILED"
                    self._msg = self._lost_lines or f"can't write the job's logs: {error.strerror}"
        self._app_state = self._ending or "SUCCEEDED"
        while True:
            self._write_state()
            if self._dirty_since is None:
                break
            time.sleep(_RETRY_WRITE)
        self._state.close()

    # -- what others see -------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self._dirty_since is None:
            self._dirty_since = time.monotonic()

    def _beat(self) -> None:
        """Wakes who follows the job: they watch a counter instead of every file."""
        self._beats += 1
        os.pwrite(self._pulse, self._beats.to_bytes(8, "little"), 0)

    def _write_state(self) -> None:
        self._next_write = time.monotonic() + _STATE_INTERVAL
        try:
            self._state.write(self._record().encode())
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._changed()
            self._next_write = time.monotonic() + _RETRY_WRITE
            return
        self._dirty_since = None
        self._beat()

    def _record(self) -> str:
        over = self._app_state != "RUNNING"
        job = {
            "state": self._app_state,
            "msg": self._msg,
            "num_restarts": self._restarts
            + sum(g.restarts + sum(r.restarts for r in g.replicas) for g in self._groups),
            "started": self._started,
            "finished": time.time() if over else None,
            **self._identity,
        }
        return f'{to_json(job)[:-1]},"replicas":[{",".join([replica.record() for replica in self._replicas])}]}}'


def describe_start_error(replica: Replica, error: OSError) -> str:
    """One line on why a replica could not be started."""
    what = replica.spec["args"][0]
    if error.errno == errno.ENOEXEC:
        return f"`{what}` is no program: it has neither a `#!` line nor a known binary format"
    where = f": {error.filename}" if error.filename else ""
    return f"replica {replica.group.role['name']}/{replica.index} could not be started: {error.strerror}{where}"
