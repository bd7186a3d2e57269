"""Modules below the namespace package ``torchx_plugins``: importing them is what registers their plugins.

Any distribution may add modules there, without an entry point. A sub-package that is called like a kind of plugins
(``torchx_plugins.schedulers``, ``torchx_plugins.named_resources``, ...) is imported only when that kind is asked for,
all other modules, at any depth, whenever any plugin is. Names that begin with ``_`` are left alone.
"""

from __future__ import annotations

import os
from importlib import import_module

from torchx.plugins._registry import NAMESPACE_PACKAGE
from torchx.plugins.descriptors import PluginType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_KINDS = {**{kind.value: kind for kind in PluginType}, "commands": PluginType.COMMAND}
_MAX_DEPTH = 8


def find_modules() -> dict[PluginType | None, list[str]]:
    """The names of all modules in the namespace, by the kind that their top folder is called after, else None.

    Raises:
        Exception: whatever an ordinary package that takes the place of the namespace raises at import.
    """
    try:
        package = import_module(NAMESPACE_PACKAGE)
    except ModuleNotFoundError as error:
        if error.name != NAMESPACE_PACKAGE:
            raise
        return {}
    found: dict[PluginType | None, list[str]] = {}
    for module in dict.fromkeys(_walk(NAMESPACE_PACKAGE, list(package.__path__), _MAX_DEPTH)):
        kind = _KINDS.get(module.split(".")[1])
        found.setdefault(kind, []).append(module)
    return found


def _walk(package: str, folders: Iterable[str], depth: int) -> Iterator[str]:
    """The modules in the folders of one package, each package before what is in it."""
    packages: dict[str, list[str]] = {}
    for folder in folders:
        for name in _listing(folder):
            path = os.path.join(folder, name)
            stem, extension = os.path.splitext(name)
            if name[0] in "_." or not stem.isidentifier():
                continue
            if extension == ".py":
                yield f"{package}.{stem}"
            elif not extension and os.path.isdir(path):
                packages.setdefault(stem, []).append(path)
    for stem, paths in packages.items() if depth else ():
        name = f"{package}.{stem}"
        if any(os.path.isfile(os.path.join(path, "__init__.py")) for path in paths):
            yield name
        yield from _walk(name, paths, depth - 1)


def _listing(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
