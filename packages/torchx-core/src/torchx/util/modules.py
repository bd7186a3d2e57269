"""Loading of modules and their attributes by name."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import TypeVar

    T = TypeVar("T")


def load_module(path: str) -> ModuleType | Callable[..., object] | None:
    """The module ``"package.module"``, or the attribute ``"package.module:attribute"`` of one.

    Returns:
        None where the module cannot be imported or lacks the attribute.
    """
    import importlib

    name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(name)
        found: ModuleType | Callable[..., object] = getattr(module, attribute) if attribute else module
        return found
    except (ImportError, AttributeError, ValueError):  # ValueError: the name is empty
        return None


def import_attr(name: str, attr: str, default: T) -> T:
    """The attribute ``attr`` of the module ``name``, or ``default`` where there is no such module.

    Raises:
        AttributeError: the module exists and lacks the attribute.
        ImportError: the module exists, but something that it imports does not.
    """
    import importlib

    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name is None or not (name == e.name or name.startswith(f"{e.name}.")):
            raise
        return default
    found: T = getattr(module, attr)
    return found
