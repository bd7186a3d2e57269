"""How many processors there are for us."""

from __future__ import annotations

import os


def available() -> int:
    """The processors that this process may use, at least 1."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1
