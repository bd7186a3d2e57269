"""Runs a program between two events: from when a file appears until another one does, or until the time is over.

``python -m torchx.apps.utils.process_monitor [--timeout S] [--start_on_file F] [--exit_on_file F] -- PROGRAM ARGS...``
"""

from __future__ import annotations

import argparse
import math
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

TIMEOUT_EXIT_CODE = 34
"""The exit status when the time is over."""

_GRACE_SECONDS = 5.0


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The arguments; ``entrypoint`` is the list of the program and its arguments."""
    parser = argparse.ArgumentParser(description="run a program for a limited time")
    parser.add_argument("--timeout", type=_seconds, default=math.inf, help="seconds, waiting for the start included")
    parser.add_argument("--poll_rate", type=_seconds, default=5.0, help="seconds between two looks for a file")
    parser.add_argument("--start_on_file", default="", help="start when this file exists, a path or a URI")
    parser.add_argument("--exit_on_file", default="", help="end the program, with status 0, when this file exists")
    parser.add_argument("entrypoint", nargs=argparse.REMAINDER, help="the program and its arguments")
    args = parser.parse_args(argv)
    if args.entrypoint[:1] == ["--"]:
        del args.entrypoint[0]
    if not args.entrypoint:
        parser.error("no program is given")
    return args


def main(argv: list[str]) -> None:
    """Runs the program and exits with its status, 0 when it was ended by the file, 34 when the time is over."""
    args = parse_args(argv)
    deadline = time.monotonic() + args.timeout
    if args.start_on_file and not _wait_for(lambda: _exists(args.start_on_file), deadline, args.poll_rate):
        sys.exit(TIMEOUT_EXIT_CODE)
    try:
        process = subprocess.Popen(args.entrypoint)
    except OSError as e:
        sys.exit(f"error: cannot start `{args.entrypoint[0]}`: {e.strerror}")
    _forward_signals(process)
    try:
        sys.exit(_watch(process, args.exit_on_file, deadline, args.poll_rate))
    finally:
        _end(process)


def _seconds(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise ValueError(text)
    return value


def _exists(uri: str) -> bool:
    from fsspec.core import url_to_fs

    fs, path = url_to_fs(uri)
    # What another program writes must not be hidden by a listing that was kept.
    fs.invalidate_cache()
    return bool(fs.exists(path))


def _wait_for(condition: Callable[[], bool], deadline: float, interval: float) -> bool:
    """Whether the condition came true before the deadline."""
    while not condition():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(interval, left))
    return True


def _watch(process: subprocess.Popen[bytes], exit_on_file: str, deadline: float, interval: float) -> int:
    """The exit status of the monitor."""
    while True:
        left = deadline - time.monotonic()
        try:
            wait = min(interval, left) if exit_on_file else left
            status = process.wait(None if wait == math.inf else max(wait, 0))
            return status if status >= 0 else 128 - status  # ended by a signal: as shells tell it
        except subprocess.TimeoutExpired:
            if exit_on_file and _exists(exit_on_file):
                return 0
            if time.monotonic() >= deadline:
                return TIMEOUT_EXIT_CODE


def _forward_signals(process: subprocess.Popen[bytes]) -> None:
    def forward(number: int, _: FrameType | None) -> None:
        process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
