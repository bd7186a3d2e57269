"""The record of a job whose supervisor is gone."""

from __future__ import annotations

import time

from torchx.schedulers._local.files import SUPERVISOR_LOG, TERMINAL
from torchx.schedulers._local.signals import signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def lost_message(code: int | None) -> str:
    """One line on how the supervisor ended; ``code`` is None where nobody saw it."""
    if code is None:
        return (
            "the job's supervisor and guardian processes are gone; all that could be found of the job was killed, "
            "but a process that had left its session and its environment may still run"
        )
    if code < 0:
        return f"the job's supervisor process was killed by {signal_name(-code)}; its replicas were killed with it"
    return f"the job's supervisor process failed (exit code {code}, see {SUPERVISOR_LOG}); its replicas were killed"


def mark_failed(state: dict[str, Any], msg: str) -> dict[str, Any]:
    """The record of a job that nobody supervises any more."""
    replicas = [
        replica if replica["state"] in TERMINAL else {**replica, "state": "FAILED"} for replica in state["replicas"]
    ]
    return {**state, "state": "FAILED", "msg": msg, "finished": time.time(), "replicas": replicas}
