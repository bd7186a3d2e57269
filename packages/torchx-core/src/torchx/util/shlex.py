"""Quoting for the shell."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-")


def quote(arg: str) -> str:
    """``arg`` as one word of a POSIX shell's command line, byte for byte."""
    if arg and _SAFE.issuperset(arg):
        return arg
    return "'" + arg.replace("'", "'\"'\"'") + "'"


def join(args: Iterable[str]) -> str:
    """A command line that a POSIX shell splits into exactly ``args``: nothing in them is expanded.

    >>> join(["echo", "$HOME", "it's"])
    'echo \\'$HOME\\' \\'it\\'"\\'"\\'s\\''
    """
    return " ".join(quote(arg) for arg in args)
