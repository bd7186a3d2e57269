"""Small helpers for strings."""

from __future__ import annotations

import re


def normalize_str(data: str) -> str:
    """A name that every cluster accepts: lower case, letters, digits and ``-`` only, none of them ``-`` at the start.

    >>> normalize_str("-My_Job-1")
    'myjob-1'
    """
    return re.sub(r"[^a-z0-9-]", "", data.lower()).lstrip("-")
