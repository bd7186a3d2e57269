"""Keeps what other people's code prints off the standard output of a program whose standard output is for records."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_STDOUT, _STDERR = 1, 2

_is_diverted = False


class diverted:
    """A context in which `foreign_output` has an effect; the command line is one, a library's caller decides itself."""

    def __enter__(self) -> None:
        global _is_diverted
        self._before, _is_diverted = _is_diverted, True

    def __exit__(self, *error: object) -> None:
        global _is_diverted
        _is_diverted = self._before


class foreign_output:
    """A context for code that is not ours, such as a component: what it prints goes to standard error.

    That of the programs that it starts, too. Nothing happens outside of `diverted`.
    """

    def __init__(self) -> None:
        self._stdout: TextIO | None = None
        self._saved: int | None = None
        self._active = False

    def __enter__(self) -> None:
        self._active = _is_diverted
        if not self._active:
            return
        self._stdout = sys.stdout
        _flush(sys.stdout)
        sys.stdout = sys.stderr
        try:
            self._saved = os.dup(_STDOUT)
            os.dup2(_STDERR, _STDOUT)
        except OSError:  # one of them is closed: there is nothing to be kept off, or nowhere to print it
            pass

    def __exit__(self, *error: object) -> None:
        if not self._active:
            return
        for stream in (sys.stdout, self._stdout, sys.__stdout__):
            _flush(stream)
        if self._saved is not None:
            os.dup2(self._saved, _STDOUT)
            os.close(self._saved)
        sys.stdout = self._stdout


def _flush(stream: TextIO | None) -> None:
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):  # it is closed, or nobody reads it: whoever writes there next will tell
        pass
