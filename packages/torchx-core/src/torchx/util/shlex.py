"""Quoting for the shell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SAFE = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


def quote(arg: str) -> str:
    """``arg`` as one word of a POSIX shell's command line, byte for byte."""
    if _SAFE.fullmatch(arg):
        return arg
    return "'" + arg.replace("'", "'\"'\"'") + "'"


def join(args: Iterable[str]) -> str:
    """A command line that a POSIX shell splits into exactly ``args``: nothing in them is expanded.

    >>> join(["echo", "$HOME", "it's"])
    'echo \\'$HOME\\' \\'it\\'"\\'"\\'s\\''
    """
    return " ".join(quote(arg) for arg in args)
