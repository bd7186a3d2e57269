"""Turns ``"package.module:attribute"`` into the object it names."""

from __future__ import annotations

from importlib import import_module


def load_target(target: str) -> object:
    """Imports what a descriptor or an entry point refers to.

    Args:
        target: ``"package.module"`` or ``"package.module:attribute.attribute"``.

    Raises:
        ImportError: the module does not exist.
        AttributeError: the module has no such attribute.
        Exception: whatever the module raises while it is imported.
    """
    module, _, attributes = target.partition(":")
    found: object = import_module(module.strip())
    for attribute in filter(None, attributes.strip().split(".")):
        found = getattr(found, attribute)
    return found
