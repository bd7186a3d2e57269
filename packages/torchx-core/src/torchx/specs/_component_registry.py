"""The components that the built-in plugins and the installed ones register."""

from __future__ import annotations

from torchx.plugins.errors import PluginLoadError
from torchx.specs._component_lookup import lookup
from torchx.util.foreign_output import foreign_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from torchx.plugins._entry import PluginEntry
    from torchx.plugins.descriptors import ComponentsPlugin
    from torchx.specs.api import AppDef


class Registered:
    """A component found by its name.

    Attributes:
        fn: the function or class.
        is_builtin: whether it is part of TorchX itself.
    """

    __slots__ = ("fn", "is_builtin")

    def __init__(self, fn: Callable[..., AppDef], is_builtin: bool) -> None:
        self.fn = fn
        self.is_builtin = is_builtin


def entries() -> list[PluginEntry]:
    """All groups of components, and components registered one by one."""
    from torchx.plugins.manager import get_plugin_manager

    return list(get_plugin_manager().components().values())


def descriptor(entry: PluginEntry) -> ComponentsPlugin:
    described: ComponentsPlugin = entry.descriptor  # type: ignore[assignment]  # entries of this kind have these
    return described


def find_registered(name: str) -> Registered | None:
    """The component that is registered under the name; only the plugins that may have it are loaded.

    Raises:
        PluginLoadError: the plugin that the name points to does not work.
        DuplicatePluginError: several plugins provide it.
        ComponentLoadError: a module below the plugin's package fails to import.
    """
    failure: PluginLoadError | None = None
    # The longest prefix first; without a prefix last, for such a group must be loaded to know what is in it.
    for entry in sorted(entries(), key=lambda e: -len(descriptor(e).prefix)):
        rest = _within(entry, name)
        if rest is None:
            continue
        try:
            with foreign_output():
                loaded: Any = entry.load()
        except PluginLoadError as e:
            if descriptor(entry).prefix:
                raise
            failure = e
            continue
        fn = lookup(loaded, rest) if rest else loaded
        if fn is not None:
            return Registered(fn, entry.is_builtin)
    # A name with a dot may still be that of a module's function.
    if failure is not None and "." not in name:
        raise failure
    return None


def _within(entry: PluginEntry, name: str) -> str | None:
    """The rest of the name within the entry's module, ``""`` for the entry itself, None where it cannot be there."""
    described = descriptor(entry)
    if described.is_function:
        return "" if entry.name == name else None
    start = f"{described.prefix}." if described.prefix else ""
    return name[len(start) :] or None if name.startswith(start) else None
