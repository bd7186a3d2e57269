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
        return available() > 1 and os.getloadavg()[0] < available()
    except OSError:
        return False
