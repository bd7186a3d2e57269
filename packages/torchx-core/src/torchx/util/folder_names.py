"""Names that users chose, as names of folders."""

from __future__ import annotations

import os

MAX_FOLDER_NAME_BYTES = 255  # NAME_MAX of Linux, macOS and all usual file systems


def folder_name(name: str) -> str:
    """A role's name as the name of one folder: all but ASCII letters, digits, ``_``, ``-`` and ``.`` becomes ``%XX``.

    One that would be too long is cut; a hash of the whole name behind ``~``, which no other name has, keeps it unique.

    >>> folder_name("a/../b")
    'a%2F..%2Fb'
    """
    plain = "".join(
        c if (c.isascii() and c.isalnum()) or c in "._-" else "".join(f"%{b:02X}" for b in os.fsencode(c)) for c in name
    )
    if len(plain) > MAX_FOLDER_NAME_BYTES:
        import hashlib

        end = f"~{hashlib.sha256(plain.encode()).hexdigest()[:16]}"
        return plain[: MAX_FOLDER_NAME_BYTES - len(end)] + end
    return plain if plain.strip(".") else plain.replace(".", "%2E")
