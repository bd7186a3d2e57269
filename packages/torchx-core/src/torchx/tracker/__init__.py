"""Tracking of runs from inside of a job.

>>> from torchx.tracker import app_run_from_env
>>> run = app_run_from_env()
>>> run.add_metadata(lr=0.1, epochs=3)
"""

from __future__ import annotations

from torchx.tracker.api import AppRun

__all__ = ["AppRun", "app_run_from_env"]


def app_run_from_env() -> AppRun:
    """The run that this process belongs to; see ``AppRun.run_from_env``."""
    return AppRun.run_from_env()
