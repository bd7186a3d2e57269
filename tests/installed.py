"""Modules of distributions that tests install into temporary folders."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["forget_modules"]


def forget_modules(folder: Path) -> None:
    """Makes as if nothing below a folder had been imported."""
    # Listed before any is forgotten: a namespace package asks its parent for its path.
    for name in [name for name, module in sys.modules.items() if _is_below(module, str(folder))]:
        del sys.modules[name]


def _is_below(module: object, folder: str) -> bool:
    places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
    return any(place.startswith(folder) for place in places)
