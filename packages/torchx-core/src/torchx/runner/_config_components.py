"""Whether the name in a section ``[component:<name>]`` is that of a component, as far as nothing is imported for it."""

from __future__ import annotations

import sys

from torchx.errors import nearest
from torchx.specs import _component_registry as _registry
from torchx.specs._component_lookup import components_in, lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from torchx.plugins._entry import PluginEntry

_ALIKE = 0.75
"""How alike two prefixes must be for one to be the other misspelt: an unknown one may be a module of the user's."""

_LISTED = "`torchx builtins` lists the components"


def component_problem(name: str) -> tuple[str, str | None] | None:
    """What is wrong with a component's name, and a hint; None where nothing is, or it can't be told at no cost."""
    problem = f"[component:{name}] is ignored: there is no component `{name}`"
    if ":" in name or name.endswith(".py") or "/" in name:
        dotted = name.replace(":", ".")
        group = None if "/" in name or ".py" in name else _group(dotted)
        return None if group is None else (problem, f"write `{dotted}`, in TOML in quotes")
    group = _group(name)
    if group is not None:
        hint = _absent(group, name)
        return None if hint is None else (problem, hint)
    first, dot, rest = name.partition(".")
    groups = [_registry.descriptor(entry) for entry in _registry.entries()]
    if not dot:
        known = any(not g.prefix or (g.is_function and g.name == name) for g in groups)
        whole = any(g.prefix == name for g in groups)
        hint = f"write the whole name, `{name}.NAME`, in TOML in quotes" if whole else _LISTED
        return None if known else (problem, hint)
    import difflib

    near = difflib.get_close_matches(first, [g.prefix for g in groups if g.prefix], n=1, cutoff=_ALIKE)
    return (problem, f"did you mean `{near[0]}.{rest}`?") if near else None


def _group(name: str) -> PluginEntry | None:
    """The group of components that a name belongs to by its prefix, or the component that has this very name."""
    for entry in sorted(_registry.entries(), key=lambda e: -len(_registry.descriptor(e).prefix)):
        described = _registry.descriptor(entry)
        if (
            name == entry.name
            if described.is_function
            else described.prefix and name.startswith(f"{described.prefix}.")
        ):
            return entry
    return None


def _absent(group: PluginEntry, name: str) -> str | None:
    """A hint where a group has no such component; None where it has, or may have."""
    described = _registry.descriptor(group)
    rest = name[len(described.prefix) + 1 :]
    if described.is_function or group.rivals:
        return None
    module = sys.modules.get(described.module)
    if module is None and group.is_builtin and not _may_define(described.module, rest):
        module = group.load()  # type: ignore[assignment]  # a group without a function is a module
    if module is None or lookup(module, rest) is not None:
        return None
    return nearest(name, _names(module, described.prefix)) or _LISTED


def _names(module: ModuleType, prefix: str) -> list[str]:
    return [f"{prefix}.{name}" for name, _ in components_in(module)]


def _may_define(module: str, name: str) -> bool:
    """Whether the source of a built-in module holds the name; that is read far quicker than it is imported."""
    import os

    import torchx

    below = module.split(".")[1:]
    path = os.path.join(os.path.dirname(torchx.__file__), *below) + ".py"
    try:
        with open(path, encoding="utf-8") as file:
            return f"def {name}(" in file.read()
    except OSError:  # there is no source: it may
        return True
