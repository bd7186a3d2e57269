"""Imports what is only needed once an image is built, one thread at a time."""

from __future__ import annotations

import threading

_LOCK = threading.Lock()


def load(*modules: str) -> None:
    """Imports modules.

    Where several threads import modules that need each other, Python before 3.12 may give one of them a module that is
    not complete: https://github.com/python/cpython/issues/91351.

    Args:
        modules: their full names.
    """
    from importlib import import_module

    with _LOCK:
        for module in modules:
            import_module(module)
