"""The process above the supervisor: it waits for the supervisor's end, and cleans up if that was not a proper one.

It adopts every process that the supervisor leaves behind (Linux), holds the reading ends of the replicas' pipes, so
that no line is lost, and records that the job failed and why. Between start and end it sleeps in ``waitpid``.
"""

from __future__ import annotations

import os
import time

from torchx.schedulers._local import proctree
from torchx.schedulers._local.files import PULSE_FILE, STATE_FILE, TERMINAL
from torchx.schedulers._local.lost import lost_message, mark_failed
from torchx.schedulers._local.output import STREAMS, Output, read_available
from torchx.schedulers._local.records import to_json
from torchx.schedulers._local.signals import signal
from torchx.util.private_files import write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def guard(folder: str, request: dict[str, Any], supervisor: int, pipes: list[list[int]]) -> None:
    """Returns when the supervisor has ended and nothing of the job is left.

    Args:
        folder: the job's folder.
        request: the job's request.
        supervisor: its process id, a child of this process.
        pipes: for every replica, in the request's order, the reading ends of its stdout and stderr.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    proctree.set_title(f"torchx-guardian {request['app_id']}")
    code = _wait(supervisor)
    if code == 0:
        return
    me = os.getpid()
    state_path = os.path.join(folder, STATE_FILE)
    state = _read_state(state_path)
    groups = {
        replica["pid"] for replica in state.get("replicas", ()) if replica["pid"] and replica["state"] == "RUNNING"
    }
    proctree.kill_all({me}, groups, {me}, timeout=30)
    _drain(request, pipes)
    if state and state["state"] not in TERMINAL:
        _record_failure(state_path, state, code)


def _wait(supervisor: int) -> int:
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except InterruptedError:
            continue
        if pid == supervisor:
            return os.waitstatus_to_exitcode(status)


def _read_state(path: str) -> dict[str, Any]:
    import json

    try:
        with open(path, "rb") as file:
            state: dict[str, Any] = json.loads(file.read())
            return state
    except FileNotFoundError:
        return {}


def _drain(request: dict[str, Any], pipes: list[list[int]]) -> None:
    specs = [spec for role in request["roles"] for spec in role["replicas"]]
    for spec, both in zip(specs, pipes, strict=True):
        if not os.path.isdir(spec["log_dir"]):
            continue
        output = Output(spec["log_dir"])
        output.restore_partial()
        try:
            for stream, fd in zip(STREAMS, both, strict=True):
                while data := read_available(fd):
                    output.write(stream, data)
            output.close()
        except OSError:  # a full disk: the rest of the lines can't be kept
            return


def _record_failure(path: str, state: dict[str, Any], code: int) -> None:
    data = to_json(mark_failed(state, lost_message(code))).encode()
    for _ in range(240):
        try:
            write_atomic(path, data)
        except OSError:  # a full disk: try for two minutes
            time.sleep(0.5)
        else:
            break
    pulse = os.path.join(os.path.dirname(path), PULSE_FILE)
    with open(pulse, "r+b") as file:
        beats = int.from_bytes(file.read(8), "little")
        file.seek(0)
        file.write((beats + 1).to_bytes(8, "little"))
