"""One replica's process, and the replicas of one role together."""

from __future__ import annotations

import os
import resource
import time

from torchx.schedulers._local import proctree
from torchx.schedulers._local.files import REPLICA_VARIABLE, TOKEN_VARIABLE
from torchx.schedulers._local.records import to_json
from torchx.schedulers._local.signals import signal, signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from torchx.schedulers._local.output import Output

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""

# Open from the start: a child could not open it, with more files open than its own limit allows.
_null_input = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
_FILE_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)


class Replica:
    """One replica over all its attempts.

    Args:
        group: the replicas of its role.
        index: its number in the role.
        spec: its part of the request: args, executable, env, cwd, log_dir.
        pipes: the read and write ends for its stdout and stderr, kept over restarts.
    """

    def __init__(self, group: Group, index: int, spec: dict[str, Any], pipes: list[tuple[int, int]]) -> None:
        self.group = group
        self.index = index
        self.spec = spec
        self.pipes = pipes
        self.mark = f"{group.number}.{index}"
        self.output: Output | None = None
        self.pid = 0
        self.exit_code: int | None = None
        self.restarts = 0
        self.stopped = False  # by us: a restart or the job's end
        self.state = "PENDING"

    def start(self, environment: dict[str, str]) -> None:
        """Starts a new attempt, in a process group of its own.

        Args:
            environment: what the replica's own variables are added to.

        Raises:
            OSError: the program can't be run.
        """
        spec = self.spec
        if os.path.lexists(spec["error_file"]):
            os.unlink(spec["error_file"])
        os.chdir(spec["cwd"])
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Programs that use select(2) break when they inherit our raised limit.
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FILE_LIMIT[0], limit[1]))
        try:
            self.pid = os.posix_spawn(
                spec["executable"],
                spec["args"],
                {**environment, **spec["env"], REPLICA_VARIABLE: self.mark},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, _null_input, 0),
                    (os.POSIX_SPAWN_DUP2, self.pipes[0][1], 1),
                    (os.POSIX_SPAWN_DUP2, self.pipes[1][1], 2),
                ],
                setpgroup=0,
                setsigmask=(),
                setsigdef=(signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD),
            )
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        self.exit_code = None
        self.stopped = False
        self.state = "RUNNING"

    def ended(self, exit_code: int) -> None:
        """Takes note of the end of the current attempt, which is also the end of what it left in the background."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # it left nobody
            pass
        self.exit_code = exit_code
        if self.stopped:
            self.state = "CANCELLED"
        else:
            self.state = "SUCCEEDED" if exit_code == 0 else "FAILED"

    def clear(self, environment: dict[str, str]) -> None:
        """Ends what the last attempt has left in sessions of its own, such as the workers of a killed ``torchrun``."""
        markers = [f"{TOKEN_VARIABLE}={environment.get(TOKEN_VARIABLE)}", f"{REPLICA_VARIABLE}={self.mark}"]
        for _ in range(100):
            left = proctree.marked_children(os.getpid(), markers)
            if not left:
                return
            proctree.send([*left, *proctree.family(set(left), set(), set())], signal.SIGKILL)
            time.sleep(0.01)

    def failure(self) -> str:
        """One line on how the replica failed."""
        name = f"{self.group.role['name']}/{self.index}"
        code = self.exit_code or 0
        if code >= 0:
            return f"replica {name} exited with code {code}"
        return f"replica {name} was killed by {signal_name(-code)}"

    def record(self) -> str:
        """What the state file says of it, as JSON."""
        state = "PENDING" if self in self.group.restarting else self.state
        code = "null" if self.exit_code is None else self.exit_code
        # Written out: there may be thousands of them in every record.
        return (
            f'{{"role":{self.group.json_name},"id":{self.index},"state":"{state}","pid":{self.pid},'
            f'"exit_code":{code},"restarts":{self.restarts}}}'
        )


class Group:
    """The replicas of one role, and who of them is to be started again once it has stopped.

    Args:
        role: the role's part of the request.
        number: its place there.
    """

    def __init__(self, role: dict[str, Any], number: int) -> None:
        self.role = role
        self.number = number
        self.json_name = to_json(role["name"])
        self.replicas: list[Replica] = []
        self.restarts = 0
        self.restarting: list[Replica] = []
        self.kill_at: float | None = None

    def restart(self, replicas: list[Replica]) -> None:
        """Stops the given replicas; they are started again when the last one has ended."""
        self.restarting = list(replicas)
        running = [r for r in replicas if r.state == "RUNNING"]
        for replica in running:
            replica.stopped = True
        if running:
            self.kill_at = time.monotonic() + GRACE
            self.kill(signal.SIGTERM, running)

    def left(self) -> int:
        """How many replicas have not failed."""
        return sum(replica.state != "FAILED" for replica in self.replicas)

    def deadline(self) -> float | None:
        """When to call ``kill_if_due``, by ``time.monotonic()``."""
        return self.kill_at

    def kill_if_due(self, now: float) -> None:
        """Kills those who are to be restarted and did not stop in time."""
        if self.kill_at is not None and now >= self.kill_at:
            self.kill(signal.SIGKILL)

    def is_stopped(self) -> bool:
        """Whether nobody who is to be restarted still runs."""
        return all(replica.state != "RUNNING" for replica in self.restarting)

    def take_restarting(self) -> list[Replica]:
        """Who is to be restarted; the list is empty afterwards."""
        taken, self.restarting = self.restarting, []
        self.kill_at = None
        return taken

    def kill(self, number: int, replicas: list[Replica] | None = None) -> None:
        """Sends a signal to the process groups of those that are to be restarted and still run."""
        if number == signal.SIGKILL:
            self.kill_at = None
        for replica in self.restarting if replicas is None else replicas:
            if replica.state == "RUNNING":
                try:
                    os.killpg(replica.pid, number)
                except (ProcessLookupError, PermissionError):
                    continue
