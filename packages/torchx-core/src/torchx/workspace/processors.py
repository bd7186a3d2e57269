"""How many processors there are for us."""

from __future__ import annotations

import os


def available() -> int:
    """The processors that this process may use, at least 1."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def one_is_idle() -> bool:
    """Whether another process of ours would most likely have a processor to itself."""
    try:
        return _running() < available()
    except (OSError, ValueError):
        return False


def _running() -> float:
    """How many processes want a processor now, this one among them; where the system tells only that, lately."""
    try:
        with open("/proc/loadavg", encoding="ascii") as file:
            return int(file.read().split()[3].partition("/")[0])  # proc_loadavg(5): runnable now / all
    except FileNotFoundError:
        return os.getloadavg()[0]
