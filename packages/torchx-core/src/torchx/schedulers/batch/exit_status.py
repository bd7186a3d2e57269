"""Exit statuses in words, the same wherever they are told."""

from __future__ import annotations

BY_SIGNAL = 128
"""A shell tells a signal as an exit status above this."""


def ended_text(code: int | None, *, killed: bool = False) -> str:
    """An exit status as a shell tells it, in words; None: there is none.

    Args:
        code: the status. Above 128 it stands for a signal, or is a program's own: of that a shell's child died, for
            example.
        killed: it is known to stand for a signal.

    >>> ended_text(3), ended_text(137, killed=True), ended_text(130), ended_text(255)
    ('exit code 3', 'killed by SIGKILL', 'exit code 130 (SIGINT)', 'exit code 255')
    """
    if code is None:
        return "lost without a word: its node failed, or all its processes were killed"
    name = signal_name(code - BY_SIGNAL)
    if not name:
        return f"exit code {code}"
    return f"killed by {name}" if killed else f"exit code {code} ({name})"


def signal_name(number: int) -> str:
    """The name of a signal; empty where there is none.

    >>> signal_name(9), signal_name(53)
    ('SIGKILL', '')
    """
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return ""
