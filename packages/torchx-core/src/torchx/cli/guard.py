"""The one place where a command's errors become messages and exit statuses."""

from __future__ import annotations

import os
import sys

from torchx._start import handle_interrupts
from torchx.cli.errors import (
    EXIT_BROKEN_PIPE,
    EXIT_FAILURE,
    EXIT_INTERRUPTED,
    OutputError,
    exit_status,
    print_error,
    write_stderr,
)
from torchx.cli.global_options import GlobalOptions, split_argv
from torchx.errors import TorchXError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def run_guarded(body: Callable[[GlobalOptions], None], argv: Sequence[str]) -> None:
    """Runs the body of the program; an error is printed and ends it with the status that belongs to it.

    Args:
        body: what to do, given the options ahead of the command and the command itself.
        argv: the arguments, without the program's name.
    """
    debug = False
    before, sys.unraisablehook = sys.unraisablehook, _repeat_lost_interrupt
    try:
        handle_interrupts()
        options = split_argv(argv)
        debug = options.log_level == "DEBUG"
        try:
            body(options)
        finally:
            _flush()
    except KeyboardInterrupt as error:
        write_stderr(f"interrupted {error}".rstrip() + "\n")
        sys.exit(EXIT_INTERRUPTED)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            raise
        # A script's way to fail with a message, `sys.exit("...")`: what a component does looks like any other error.
        failure = TorchXError(str(error.code) or "SystemExit")
        failure.__cause__ = error
        print_error(failure, debug=debug, argv=argv)
        sys.exit(EXIT_FAILURE)
    except BrokenPipeError as error:
        if _reader_is_gone(sys.stdout) or _reader_is_gone(sys.stderr):
            _discard_output()
            sys.exit(EXIT_BROKEN_PIPE)
        print_error(error, debug=debug, argv=argv)
        sys.exit(EXIT_FAILURE)
    except Exception as error:
        if isinstance(error, OutputError):
            _discard_output()
        print_error(error, debug=debug, argv=argv)
        sys.exit(exit_status(error))
    finally:
        sys.unraisablehook = before


def _repeat_lost_interrupt(lost: Any) -> None:
    """Repeats a Ctrl-C that came in a place from which Python raises nothing, such as the end of an import.

    Python prints such an interrupt and goes on. It can't be repeated at once, for the place is still the same.
    """
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)
        return
    import signal

    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def _flush() -> None:
    """Writes out what is buffered here, where a failure can still be told: at exit it only could be ignored."""
    if sys.stdout is None or sys.stdout.closed:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error) from error


def _reader_is_gone(stream: object) -> bool:
    """Whether the stream is a pipe that nobody reads any more; other things can raise BrokenPipeError as well."""
    import select

    try:
        descriptor = stream.fileno()  # type: ignore[attr-defined]  # None and replaced streams have none: caught below
    except (AttributeError, OSError, ValueError):
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def _discard_output() -> None:
    """Sends what is still buffered to nowhere, or the interpreter would complain about it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if _reader_is_gone(stream) or stream is sys.stdout:
            try:
                os.dup2(nowhere, stream.fileno())
            except (AttributeError, OSError, ValueError):
                continue
    os.close(nowhere)
