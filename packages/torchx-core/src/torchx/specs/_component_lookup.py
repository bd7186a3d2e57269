"""Finding components in modules: one by its dotted name, or all of them."""

from __future__ import annotations

import sys
import types

from torchx.specs._component_class import is_component_class
from torchx.specs._component_import import ComponentLoadError, import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any, TypeGuard

    from torchx.specs.api import AppDef


def lookup(module: ModuleType, name: str) -> Callable[..., AppDef] | None:
    """The function or class that ``name`` is in a module, or dotted in its submodules; None where there is none.

    What the modules merely import is not found: a helper is no component. What they re-export is.

    Args:
        module: the module or package of a group of components.
        name: a component's name without that of the group.

    Raises:
        ComponentLoadError: a submodule on the way fails to import.
    """
    return _lookup(module, name, module.__name__)


def _lookup(module: ModuleType, name: str, root: str) -> Callable[..., AppDef] | None:
    head, _, rest = name.partition(".")
    if not head or head.startswith("_"):
        return None
    found = getattr(module, head, None)
    if not rest:
        return found if is_component_like(found) and _is_offered(module, head, found, root) else None
    if not hasattr(module, "__path__"):
        return None  # a module that it imports is no part of it
    below = found if isinstance(found, types.ModuleType) else import_below(module, head)
    if below is None:
        return None
    return _lookup(below, rest, root if _is_within(below.__name__, root) else below.__name__)


def _is_offered(module: ModuleType, name: str, found: Any, root: str) -> bool:
    """Whether it is made below ``root`` or re-exported: named in ``__all__``, or an app's maker in a package."""
    if not _is_imported(found, root) or name in getattr(module, "__all__", ()):
        return True
    return hasattr(module, "__path__") and returns_app(getattr(found, "build", found))


def _is_imported(found: object, root: str) -> bool:
    home = getattr(found, "__module__", None)
    if not isinstance(home, str) or _is_within(home, root):
        return False
    # What a decorator or a factory from elsewhere has made says that it is from there, but cannot be found there.
    return getattr(sys.modules.get(home), getattr(found, "__name__", ""), None) is found


def _is_within(module: str, root: str) -> bool:
    return module == root or module.startswith(f"{root}.")


def import_below(module: ModuleType, name: str) -> ModuleType | None:
    return import_module(f"{module.__name__}.{name}") if hasattr(module, "__path__") else None


def is_component_like(obj: object) -> TypeGuard[Callable[..., AppDef]]:
    """Whether it is called like a component: a function (wrapped or partial too), or a class with ``build``."""
    if isinstance(obj, type):
        return is_component_class(obj)
    # What is written in C has no parameters of its own to read, and makes no app.
    return callable(obj) and not isinstance(obj, types.BuiltinFunctionType)


def components_in(module: ModuleType) -> Iterator[tuple[str, Callable[..., AppDef]]]:
    """The public functions and classes that the module itself defines and that say they make an ``AppDef``."""
    import inspect

    for name, obj in sorted(vars(module).items()):
        if name.startswith("_") or getattr(obj, "__module__", None) != module.__name__:
            continue
        is_class = is_component_class(obj) and not inspect.isabstract(obj)
        if (is_class and returns_app(obj.build)) or (inspect.isfunction(obj) and returns_app(obj)):
            yield name, obj


def functions_in(module: ModuleType) -> list[str]:
    """The names of the public functions that the module itself defines."""
    return [
        name
        for name, obj in sorted(vars(module).items())
        if isinstance(obj, types.FunctionType) and not name.startswith("_") and obj.__module__ == module.__name__
    ]


def returns_app(fn: Callable[..., Any]) -> bool:
    """Whether the function is annotated to return an ``AppDef``."""
    import inspect

    returns = getattr(inspect.unwrap(fn), "__annotations__", {}).get("return")
    name = returns if isinstance(returns, str) else getattr(returns, "__name__", "")
    return name.strip("'\" ").rpartition(".")[2] == "AppDef"


def modules_below(module: ModuleType) -> Iterator[ModuleType]:
    """The module and, for a package, all below it that can be imported; private ones and ``__main__`` are left out."""
    import pkgutil

    yield module
    for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
        if info.name.startswith("_"):
            continue
        try:
            below = import_module(f"{module.__name__}.{info.name}")
        except ComponentLoadError:
            continue  # a part that does not work hides no other; asking for a component in it tells why
        if below is not None:
            yield from modules_below(below)


def description(fn: Callable[..., object]) -> str:
    """The first paragraph of the docstring on one line, ``""`` without a docstring."""
    lines = [line.strip() for line in (fn.__doc__ or "").strip().split("\n")]
    return " ".join(lines[: lines.index("")] if "" in lines else lines)


def source_file(fn: Callable[..., object]) -> str | None:
    """The file that defines it, None where there is no source."""
    import inspect
    import os

    try:
        path = inspect.getsourcefile(inspect.unwrap(fn))
    except TypeError:  # built in, or an object that is merely callable
        return None
    return path if path is not None and os.path.isfile(path) else None
