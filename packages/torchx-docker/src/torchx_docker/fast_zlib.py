"""The fastest implementation of zlib that there is; ISA-L's takes an eighth of the time for the same results."""

from __future__ import annotations

from typing import Any


def fast_zlib() -> Any:
    """A module with what the module ``zlib`` has."""
    try:
        from isal import isal_zlib
    except ImportError:  # not made for every processor
        import zlib

        return zlib
    return isal_zlib
