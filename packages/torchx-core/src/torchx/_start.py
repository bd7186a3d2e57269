"""The first code of the ``torchx`` program, and the last: it sees to a clean and quick end.

From here on Ctrl-C ends it with a word, not with Python's traceback.

While the program is being loaded nobody can handle an interrupt: raised in the midst of an import it would be
printed with all frames of the import machinery, or be lost. There is nothing to undo yet either, so it ends the process
at once.
"""

from __future__ import annotations

import atexit
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    try:
        import _signal as signal  # what `signal` wraps; that module brings enum, and this one is there already
    except ImportError:
        import signal

_EXIT_INTERRUPTED = 130  # 128 + SIGINT; torchx.cli.errors is not loaded yet


def main() -> None:
    """The ``torchx`` program. An interrupt that is ignored, as for a job in the background of a shell, stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    status = [1]
    # Who was there before this program (a coverage tool, say) is called after it, and has to be.
    if atexit._ncallbacks() == 0:
        atexit.register(_end, status)
    from torchx.cli.main import main as run

    try:
        run()
    except SystemExit as error:
        status[0] = error.code if isinstance(error.code, int) else 0  # `run` leaves with a number, or None
        raise
    status[0] = 0


def handle_interrupts() -> None:
    """From now on Ctrl-C raises ``KeyboardInterrupt`` again, for the caller handles it. Does nothing elsewhere."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: object) -> None:
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(_EXIT_INTERRUPTED)


def _end(status: list[int]) -> None:
    """Ends the process when all else that wants to be called at the end has been.

    Taking the interpreter apart, module by module, would take a tenth of a short command's time.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # there is none, or it is closed: Python says what is to be said
            return
    os._exit(status[0])
