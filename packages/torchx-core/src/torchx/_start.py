"""The first code of the ``torchx`` program: from here on Ctrl-C ends it with a word, not with Python's traceback.

While the program is being loaded nobody can handle an interrupt: raised in the midst of an import it would be printed
with all frames of the import machinery, or be lost. There is nothing to undo yet either, so it ends the process at once.
"""

from __future__ import annotations

import os

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
    from torchx.cli.main import main as run

    run()


def handle_interrupts() -> None:
    """From now on Ctrl-C raises ``KeyboardInterrupt`` again, for the caller handles it. Does nothing elsewhere."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: object) -> None:
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(_EXIT_INTERRUPTED)
