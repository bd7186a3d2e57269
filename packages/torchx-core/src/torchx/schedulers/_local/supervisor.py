"""The process that owns a local job: starts the replicas, keeps their output, restarts and ends them, records it all.

It runs detached from whoever submitted the job (``python -I -S``, standard library only) and sleeps in the kernel
between events. It is two processes: the supervisor, and above it the guardian (``guardian.py``), which does nothing
until the supervisor dies and then leaves nothing behind. Whichever is killed, the other one ends the job and records
why.

What has a time of its own is a part of its own (``ending.py``, ``diskgate.py``, ``recorder.py``, the groups of
``replica.py``); each tells its next ``deadline``, and the loop here sleeps until the first of them.
"""

from __future__ import annotations

import errno
import os
import time

from torchx.schedulers._local import proctree
from torchx.schedulers._local.diskgate import DiskGate, write_problem
from torchx.schedulers._local.ending import Ending
from torchx.schedulers._local.files import CANCEL_FILE
from torchx.schedulers._local.output import STREAMS, Output, read_available
from torchx.schedulers._local.poller import Poller
from torchx.schedulers._local.recorder import Recorder
from torchx.schedulers._local.records import to_json
from torchx.schedulers._local.replica import Group, Replica
from torchx.schedulers._local.retries import END, GO_ON, retry_decision
from torchx.schedulers._local.signals import signal
from torchx.util.private_files import make_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


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
        self._cancel_file = os.path.join(folder, CANCEL_FILE)
        self._guardian_fd = guardian_fd
        self._tell = tell
        self._environment = dict(os.environ)  # looked up once: os.environ decodes at every look
        self._groups = [Group(role, number) for number, role in enumerate(request["roles"])]
        self._replicas: list[Replica] = []
        for group in self._groups:
            for index, spec in enumerate(group.role["replicas"]):
                group.replicas.append(Replica(group, index, spec, pipes[len(self._replicas) + index]))
            self._replicas.extend(group.replicas)
        self._running: dict[int, Replica] = {}
        self._streams: dict[int, tuple[Replica, str]] = {}
        self._poller = Poller()
        self._state = "RUNNING"
        self._restarts = 0
        self._lost = ""  # whom the job goes on without
        self._ending = Ending(os.getppid())
        self._disk = DiskGate(self._outputs, self._stop_reading, self._read_again)
        self._recorder = Recorder(folder, self._record, 4096 + 512 * len(self._replicas))
        self._facts = {
            "host": os.uname().nodename,
            "boot": proctree.boot_id(),
            "supervisor": proctree.identity(os.getpid()),
            "guardian": proctree.identity(os.getppid()),
            "started": time.time(),
        }

    # -- the loop --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Starts the replicas and returns when the job has ended and its end is on disk."""
        wakeup = _catch_signals()
        self._poller.add(wakeup)
        self._poller.add(self._guardian_fd)
        if not self._start_all():
            return
        self._recorder.write()
        self._tell(None)
        # Who cancelled before the state told our process id could not wake us.
        self._check_cancel()
        while self._running or self._disk.is_waiting() or any(group.restarting for group in self._groups):
            told_to_end = False
            for fd in self._poller.wait(self._timeout()):
                if fd in self._streams:
                    self._pump(fd)
                elif fd == wakeup:
                    told_to_end = signal.SIGTERM in read_available(wakeup)
                elif fd == self._guardian_fd:
                    self._poller.remove(fd)
                    self._end("FAILED", "the job's guardian process was killed")
            self._check_cancel()
            if told_to_end:  # not by a cancel: the machine is shut down, say
                self._end("FAILED", "the job's supervisor process was told to end (SIGTERM)")
            self._reap()
            self._do_what_is_due(time.monotonic())
        self._finish()

    def _timeout(self) -> float | None:
        ours = (self._recorder.deadline(), self._disk.deadline(), self._ending.deadline())
        due = [t for t in (*ours, *(group.deadline() for group in self._groups)) if t is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _do_what_is_due(self, now: float) -> None:
        self._disk.retry(now)
        if self._disk.problem:
            self._end("FAILED", self._disk.problem)
        self._ending.kill_if_due(now, self._running)
        for group in self._groups:
            group.kill_if_due(now)
        if not self._ending.state and all(group.is_stopped() for group in self._groups):
            for group in self._groups:
                self._restart(group)
        self._recorder.write_if_due(now)

    # -- starting --------------------------------------------------------------------------------------------------

    def _start_all(self) -> bool:
        for replica in self._replicas:
            problem = self._start(replica)
            if problem:
                self._ending.kill(self._running)
                self._recorder.close()
                self._tell(problem)
                return False
        return True

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
            self._recorder.beat()

    def _keep(self, replica: Replica, stream: str, data: bytes) -> None:
        assert replica.output is not None
        self._disk.write(replica.output, stream, data)

    def _drain(self, replica: Replica) -> None:
        """Reads what an ended replica left in its pipes."""
        for (read, _), stream in zip(replica.pipes, STREAMS, strict=True):
            while not self._disk.is_shut and (data := read_available(read)):
                self._keep(replica, stream, data)

    def _outputs(self) -> list[Output]:
        return [replica.output for replica in self._replicas if replica.output is not None]

    def _stop_reading(self) -> None:
        for fd in self._streams:
            self._poller.remove(fd)

    def _read_again(self) -> None:
        for fd in self._streams:
            self._poller.add(fd)

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
                self._recorder.changed()
                if not replica.stopped and replica.exit_code != 0:
                    self._failed(replica)

    def _failed(self, replica: Replica) -> None:
        """A replica failed by itself: restarts what its policy says, goes on without it, or ends the job."""
        group, policy = replica.group, replica.group.role["retry_policy"]
        if self._ending.state or group.restarting:
            return
        decision = retry_decision(
            policy,
            {"APPLICATION": self._restarts, "ROLE": group.restarts, "REPLICA": replica.restarts},
            group.role["max_retries"],
            left=group.left(),
            least=group.role["spec"]["min_replicas"],
        )
        if decision == END:
            self._end("FAILED", replica.failure())
        elif decision == GO_ON:
            replica.clear(self._environment)
            self._lost += f"{'; ' if self._lost else 'the job goes on without some: '}{replica.failure()}"
        elif policy == "REPLICA":
            replica.restarts += 1
            group.restart([replica])
        elif policy == "ROLE":
            group.restarts += 1
            group.restart(group.replicas)
        else:
            self._restarts += 1
            self._lost = ""
            for each in self._groups:
                each.restart(each.replicas)

    def _restart(self, group: Group) -> None:
        for replica in group.take_restarting():
            replica.clear(self._environment)
            # The next attempt's first line is not the end of the last one's.
            for stream in replica.output.unended() if replica.output else ():
                self._keep(replica, stream, b"\n")
            problem = self._start(replica)
            self._recorder.changed()
            if problem:
                self._end("FAILED", problem)
                return

    def _check_cancel(self) -> None:
        if not self._ending.state and os.path.exists(self._cancel_file):
            self._end("CANCELLED", "cancelled by the user")

    def _end(self, state: str, msg: str) -> None:
        """Begins to end the job."""
        if self._ending.state:
            return
        for group in self._groups:
            group.take_restarting()
        for replica in self._running.values():
            replica.stopped = True
        self._ending.begin(state, msg, self._running)
        self._recorder.changed()

    def _finish(self) -> None:
        """Leaves no process, no byte in a pipe, and the end on disk."""
        if not proctree.has_no_children(os.getpid()):
            self._ending.kill(self._running)
        for replica in self._replicas:
            self._drain(replica)
        state, msg = self._ending.state or "SUCCEEDED", self._ending.msg
        for output in self._outputs():
            try:
                output.close()
            except OSError as error:
                state, msg = "FAILED", self._disk.problem or write_problem(error)
        self._state, self._ending.msg = state, msg
        self._recorder.write_last()

    def _record(self) -> str:
        job = {
            "state": self._state,
            "msg": self._ending.msg or self._lost,
            "num_restarts": self._restarts
            + sum(g.restarts + sum(r.restarts for r in g.replicas) for g in self._groups),
            "finished": None if self._state == "RUNNING" else time.time(),
            **self._facts,
        }
        return f'{to_json(job)[:-1]},"replicas":[{",".join([replica.record() for replica in self._replicas])}]}}'


def _catch_signals() -> int:
    """Makes signals readable: each is a byte, its number, of the pipe whose reading end is returned."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    return read


def describe_start_error(replica: Replica, error: OSError) -> str:
    """One line on why a replica could not be started."""
    what = replica.spec["args"][0]
    if error.errno == errno.ENOEXEC:
        return f"`{what}` is no program: it has neither a `#!` line nor a known binary format"
    where = f": {error.filename}" if error.filename else ""
    return f"replica {replica.group.role['name']}/{replica.index} could not be started: {error.strerror}{where}"
