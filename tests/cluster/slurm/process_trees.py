"""Processes of servers that the tests started, and what these processes started themselves."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def with_descendants(pid: int) -> list[int]:
    """A process and all that it started, as far as their parents still run."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):  # it has ended
            found += [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return found


def kill_tree(pid: int) -> None:
    """Kills a process and all that it started."""
    for each in with_descendants(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def marked(name: str, prefix: str) -> list[int]:
    """The processes that began with a variable whose value begins with a text."""
    wanted = f"{name}={prefix}".encode()
    return [pid for pid in _pids() if any(word.startswith(wanted) for word in _read(pid, "environ").split(b"\0"))]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(pid: int, file: str) -> bytes:
    try:
        return Path("/proc", str(pid), file).read_bytes()
    except OSError:  # it has ended, or is the kernel's
        return b""
