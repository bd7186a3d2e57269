"""Signals by number. The module ``signal`` brings ``enum`` and more, which takes as long as starting a small job."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    try:
        # What the module ``signal`` of CPython wraps: the same functions, the numbers without their names.
        import _signal as signal
    except ImportError:
        import signal

__all__ = ["signal", "signal_name"]


def signal_name(number: int) -> str:
    """The name of a signal, such as ``SIGKILL``; for a real-time signal, which has none, its number."""
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
