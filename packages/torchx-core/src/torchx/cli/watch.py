"""Follows one job from its submission to its end: log lines and states on standard error, then the exit status."""

from __future__ import annotations

import signal
import sys
import time

from torchx.cli.errors import EXIT_FAILURE, EXIT_INTERRUPTED, print_error, write_stderr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, NoReturn

    from torchx.runner import Runner
    from torchx.specs import AppStatus

MIN_POLL = 0.05
"""Seconds until the state of a job that has not started is asked for again; doubles with every answer."""

MAX_POLL = 10.0


class interrupts_held:
    """Lets what is inside finish before a Ctrl-C takes effect, at the end; a second Ctrl-C takes effect at once.

    A job whose submission is cut in the middle would run on without anybody knowing its handle.
    """

    def __init__(self) -> None:
        self._held = False
        self._before: Any = None

    def __enter__(self) -> None:
        try:
            self._before = signal.signal(signal.SIGINT, self._hold)
        except ValueError:  # not the main thread: no Ctrl-C arrives here
            self._before = None

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self._held and kind is None:
            raise KeyboardInterrupt

    def _hold(self, number: int, frame: FrameType | None) -> None:
        if self._held:
            raise KeyboardInterrupt
        self._held = True
        write_stderr("\ninterrupted: waiting for the end of the submission (Ctrl-C again: not waiting)\n")


def watch(runner: Runner, app_handle: str, *, log: bool, as_json: bool = False) -> None:
    """Waits for the end of a job and tells it.

    Args:
        runner: the runner that submitted it.
        app_handle: the job.
        log: show its log lines meanwhile.
        as_json: tell the end as JSON on standard output.

    Raises:
        SystemExit: with status 1 if the job did not succeed.
        KeyboardInterrupt: the job goes on; see `leave`.
    """
    if log:
        _show_logs(runner, app_handle)
    _tell_end(app_handle, runner.wait(app_handle), as_json)


def say_how_to_follow(app_handle: str) -> None:
    """Tells the commands by which a job that goes on can be followed."""
    write_stderr(f"follow it with `torchx log --tail {app_handle}`, see `torchx status {app_handle}`\n")


def _show_logs(runner: Runner, app_handle: str) -> None:
    from torchx.cli.follow import LogPrinter

    try:
        blocks = runner.log_blocks(app_handle, None, should_tail=True) if _wait_for_start(runner, app_handle) else ()
        if sys.stderr is not None:
            LogPrinter(sys.stderr).print_all(blocks)
    except NotImplementedError:
        write_stderr(f"the scheduler of {app_handle} serves no logs\n")


def _wait_for_start(runner: Runner, app_handle: str) -> bool:
    """Waits until the job has started or ended; tells the states on the way. False: the job is gone."""
    from torchx.cli.schedulers import is_local
    from torchx.specs.api import is_started

    if is_local(app_handle):
        return True
    pause, told = MIN_POLL, None
    while True:
        status = runner.poll(app_handle)
        if status is None or is_started(status.state):
            return status is not None
        if status.state != told:
            told = status.state
            write_stderr(f"{app_handle} is {told}\n")
        time.sleep(pause)
        pause = min(pause * 2, MAX_POLL)


def leave(runner: Runner, app_handle: str, *, cancel: bool) -> NoReturn:
    """Ends the program after Ctrl-C, and says what becomes of the job.

    Args:
        runner: the runner that submitted it.
        app_handle: the job.
        cancel: cancel it; otherwise it goes on.
    """
    _leave(runner, app_handle, cancel)
    sys.exit(EXIT_INTERRUPTED)


def _leave(runner: Runner, app_handle: str, cancel: bool) -> None:
    if not cancel:
        write_stderr(f"\n{app_handle} goes on\n")
        say_how_to_follow(app_handle)
        return
    try:
        runner.cancel(app_handle)
    except KeyboardInterrupt:
        write_stderr(f"\nnot known whether {app_handle} was cancelled: see `torchx status {app_handle}`\n")
    except Exception as error:
        print_error(error)
        write_stderr(f"{app_handle} may go on: end it with `torchx cancel {app_handle}`\n")
    else:
        write_stderr(f"\ncancelled {app_handle}\n")


def _tell_end(app_handle: str, status: AppStatus | None, as_json: bool) -> None:
    from torchx.cli.output import paint_state, print_json
    from torchx.cli.render import status_to_plain, status_to_text

    succeeded = status is not None and str(status.state) == "SUCCEEDED"
    if as_json:
        gone = {"app_handle": app_handle, "state": None}
        print_json(gone if status is None else status_to_plain(app_handle, status), indent=None)
    if status is None:
        write_stderr(f"{app_handle} is gone: its scheduler has removed it\n")
    elif succeeded or as_json:
        write_stderr(f"{app_handle} {paint_state(str(status.state), sys.stderr)}\n")
    else:
        write_stderr(f"{app_handle}\n{status_to_text(status, sys.stderr)}\n")
    if not succeeded:
        sys.exit(EXIT_FAILURE)
