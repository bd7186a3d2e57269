"""Small helpers for strings."""

from __future__ import annotations

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def normalize_str(data: str) -> str:
    """A name that every cluster accepts: lower case, letters, digits and ``-`` only, none of them ``-`` at the start.

    >>> normalize_str("-My_Job-1")
    'myjob-1'
    """
    return "".join(c for c in data.lower() if c in _ALLOWED).lstrip("-")
