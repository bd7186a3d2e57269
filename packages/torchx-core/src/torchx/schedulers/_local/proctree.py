"""Which processes belong to a job, and how to be rid of them.

A process is told by its id *and* its start time: ids are used again. On Linux ``/proc`` answers; elsewhere (and where
``PORTABLE`` is set, which is how the tests switch the Linux way off) ``ps`` does.
"""

from __future__ import annotations

import os
import sys
import time

from torchx.schedulers._local.signals import signal

PORTABLE = not sys.platform.startswith("linux") or bool(os.environ.get("TORCHX_LOCAL_PORTABLE"))


class Process:
    """One row of the process table."""

    __slots__ = ("group", "parent", "pid", "start", "zombie")

    def __init__(self, pid: int, parent: int, group: int, start: str, zombie: bool) -> None:
        self.pid = pid
        self.parent = parent
        self.group = group
        self.start = start
        self.zombie = zombie


def start_time(pid: int) -> str | None:
    """What tells this process from a later one with the same id; None where it does not run (any more)."""
    process = _from_ps(pid).get(pid) if PORTABLE else _from_proc(pid)
    return None if process is None or process.zombie else process.start


def is_alive(pid: int, start: str | None) -> bool:
    """Whether the process with this id and start time runs."""
    return pid > 0 and start is not None and start_time(pid) == start


def identity(pid: int) -> list[int | str | None]:
    """What records keep of a process: its id and start time, the arguments of ``is_alive``."""
    return [pid, start_time(pid)]


def boot_id() -> str:
    """Tells one boot of this machine from another; empty where the system does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def snapshot() -> dict[int, Process]:
    """All processes of the machine."""
    if PORTABLE:
        return _from_ps(None)
    found = (_from_proc(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def family(roots: set[int], groups: set[int], keep: set[int]) -> list[int]:
    """The living descendants of some processes, and the members of some process groups; parents as a rule first.

    In that order no shell lives to say that its child was killed.

    Args:
        roots: processes whose children and children's children count.
        groups: process group ids whose members count.
        keep: processes that do not count, but whose children do.
    """
    processes = snapshot()
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found = dict.fromkeys(p.pid for p in processes.values() if p.group in groups)
    todo = list(roots) + list(found)
    while todo:
        below = [pid for pid in children.get(todo.pop(), ()) if pid not in found]
        found.update(dict.fromkeys(below))
        todo.extend(below)
    return [pid for pid in found if pid not in keep and not processes[pid].zombie]


def marked_children(pid: int, markers: list[str]) -> list[int]:
    """The children of a process that have all these ``NAME=value`` in their environment. Linux only: elsewhere none."""
    if PORTABLE or has_no_children(pid):
        return []
    needles = [os.fsencode(marker) for marker in markers]
    found = []
    for process in snapshot().values():
        if process.parent == pid and not process.zombie:
            try:
                with open(f"/proc/{process.pid}/environ", "rb") as file:
                    entries = file.read().split(b"\0")
            except OSError:  # it has ended
                continue
            if all(needle in entries for needle in needles):
                found.append(process.pid)
    return found


def marked(marker: str) -> list[int]:
    """The processes that were started with ``NAME=value`` in their environment. Linux only: elsewhere none."""
    if PORTABLE:
        return []
    needle = marker.encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if needle in file.read().split(b"\0"):
                        found.append(int(name))
            except OSError:  # it has ended, or belongs to somebody else
                continue
    return found


def in_session_of(pid: int, start: str | None) -> list[int]:
    """The processes in the session that a process led which is gone. Linux only: elsewhere none.

    Args:
        pid: the leader; no later process gets its id while its session has members.
        start: when it started.
    """
    if PORTABLE or start_time(pid) not in (None, start):  # nobody was left, and the id is somebody else's now
        return []
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rsplit(b")", 1)[1].split()
            except (OSError, IndexError):  # it has ended
                continue
            if int(fields[3]) == pid and fields[0] not in b"ZX":
                found.append(int(name))
    return found


def groups_of(pids: list[int]) -> set[int]:
    """The process group ids of some processes."""
    found = set()
    for pid in pids:
        try:
            found.add(os.getpgid(pid))
        except ProcessLookupError:
            continue
    return found


def send(pids: list[int], number: int) -> None:
    """Sends a signal to each process; those that have ended meanwhile are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def kill_all(
    roots: set[int], groups: set[int], keep: set[int], *, timeout: float, marker: str | None = None
) -> list[int]:
    """Kills (SIGKILL) until nobody of the family is left; a process that forks meanwhile is caught in the next round.

    Args:
        roots, groups, keep: as for ``family``.
        timeout: seconds after which to give up.
        marker: also whoever carries this environment entry.

    Returns:
        Who is still there: empty, unless a process can't be killed (it hangs in the kernel).
    """
    end = time.monotonic() + timeout
    while True:
        left = family(roots, groups, keep)
        if marker is not None:
            left = sorted({*left, *marked(marker)} - keep)
        if not left or time.monotonic() > end:
            return left
        send(left, signal.SIGKILL)
        time.sleep(0.01)


def has_no_children(pid: int) -> bool:
    """Whether a process has no child; False also where that can't be told cheaply."""
    if PORTABLE:
        return False
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return not file.read().split()
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return False


def become_subreaper() -> bool:
    """Makes orphans below this process its own children, so that none escapes. Linux only.

    See PR_SET_CHILD_SUBREAPER in prctl(2).
    """
    if PORTABLE:
        return False
    import ctypes

    return bool(ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) == 0)


def set_title(title: str) -> None:
    """Shows ``title`` as this process's command line, as far as the room of the old one goes. Linux only."""
    if PORTABLE:
        return
    import ctypes

    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
    except OSError:
        return
    begin, end = int(fields[45]), int(fields[46])  # arg_start, arg_end: proc(5)
    room = end - begin
    if begin and room > 1:
        ctypes.memmove(begin, title.encode()[: room - 1].ljust(room, b"\0"), room)


def _from_proc(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The command's name stands in parentheses and may hold anything.
            fields = file.read().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return Process(pid, int(fields[1]), int(fields[2]), fields[19].decode(), fields[0] in b"ZX")


def _from_ps(pid: int | None) -> dict[int, Process]:
    import subprocess

    which = ["-A"] if pid is None else ["-p", str(pid)]
    with subprocess.Popen(
        ["ps", *which, "-o", "pid=,ppid=,pgid=,stat=,lstart="],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
    ) as ps:
        out = ps.communicate(timeout=10)[0].decode("ascii", "replace")
    found = {}
    for line in out.splitlines():
        row = line.split(None, 4)
        if len(row) == 5 and int(row[0]) != ps.pid:
            process = Process(int(row[0]), int(row[1]), int(row[2]), " ".join(row[4].split()), row[3].startswith("Z"))
            found[process.pid] = process
    return found
