"""Finds components by the names that users type.

=====================  ================================================================================================
form                   is
=====================  ================================================================================================
``dist.ddp``           a registered component: a built-in one, or one that a plugin adds
``path/file.py:fn``    the function ``fn`` of a file
``pkg.mod:fn``         the function ``fn`` of a module that can be imported, or lies in the current folder
``pkg.mod.fn``         the same, where no registered component has this name
=====================  ================================================================================================

In place of the function there may be a class with a method ``build``.
"""

from __future__ import annotations

import abc
import os

from torchx.errors import UsageError, nearest
from torchx.specs import _component_lookup as _lookup
from torchx.specs import _component_registry as _registry
from torchx.specs._component_check import Component as _Component
from torchx.specs._component_check import ComponentValidationException, checked, errors_in, invalid, refused
from torchx.specs._component_class import as_function
from torchx.specs._component_import import ComponentLoadError, execute_file, import_module
from torchx.util.foreign_output import foreign_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from torchx.plugins._entry import PluginEntry
    from torchx.specs.api import AppDef
    from torchx.specs.file_linter import ComponentFunctionValidator

__all__ = [
    "ComponentLoadError",
    "ComponentNotFoundException",
    "ComponentValidationException",
    "ComponentsFinder",
    "CustomComponentsFinder",
    "ModuleComponentsFinder",
    "get_builtin_source",
    "get_component",
    "get_components",
    "is_namespace_package",
    "is_package",
    "module_relname",
]


class ComponentNotFoundException(UsageError):
    """There is no component of the name that was asked for; the hint names the nearest ones."""


class ComponentsFinder(abc.ABC):
    """A place to look for components."""

    @abc.abstractmethod
    def find(self, validators: list[ComponentFunctionValidator] | None) -> list[_Component]:
        """The components in this place.

        Args:
            validators: the rules that they are checked against; None stands for the usual ones, ``[]`` for none.
        """


def is_namespace_package(module: ModuleType) -> bool:
    """Whether the module is a package without an ``__init__.py``."""
    return hasattr(module, "__path__") and getattr(module, "__file__", None) is None


def is_package(module: ModuleType) -> bool:
    """Whether the module is a package with an ``__init__.py``."""
    return hasattr(module, "__path__") and getattr(module, "__file__", None) is not None


def module_relname(module: ModuleType, relative_to: ModuleType) -> str:
    """The name of a module within a package, ``""`` for the package itself.

    Raises:
        ValueError: the module is not in the package.
    """
    name, base = module.__name__, relative_to.__name__
    if name == base:
        return ""
    if not name.startswith(f"{base}."):
        raise ValueError(f"module `{name}` is not in `{base}`")
    return name[len(base) + 1 :]


class ModuleComponentsFinder(ComponentsFinder):
    """The components of a module, or of a package and all modules in it.

    Args:
        module: the module or its name.
        group: what stands before the components' names; empty for nothing.
    """

    def __init__(self, module: str | ModuleType, group: str) -> None:
        self.module = module
        self.group = group

    def find(self, validators: list[ComponentFunctionValidator] | None) -> list[_Component]:
        """The components, their names made of the group, the module's name in the package, and the function's.

        Raises:
            ComponentNotFoundException: there is no such module.
            ComponentLoadError: the module fails to import. (Modules below it that fail are left out.)
        """
        root = import_module(self.module) if isinstance(self.module, str) else self.module
        if root is None:
            raise ComponentNotFoundException(f"there is no module `{self.module}` to find components in")
        found = []
        for module in _lookup.modules_below(root):
            for fn_name, fn in _lookup.components_in(module):
                parts = (self.group, module_relname(module, root), fn_name)
                found.append(checked(".".join(part for part in parts if part), fn, validators))
        return found


class CustomComponentsFinder(ComponentsFinder):
    """One component of a file.

    Args:
        filepath: the Python file; ``~`` is the home folder.
        function_name: the function, or a class with a method ``build``.
    """

    def __init__(self, filepath: str, function_name: str) -> None:
        self.filepath = filepath
        self.function_name = function_name

    def find(self, validators: list[ComponentFunctionValidator] | None) -> list[_Component]:
        """The component. The file is read anew each time, and run only if its source passes the validators.

        Raises:
            ComponentNotFoundException: there is no such file, or no such function in it.
            ComponentLoadError: the file raises when it is run.
        """
        from torchx.specs.file_linter import validate_source

        name = f"{self.filepath}:{self.function_name}"
        source = self._read()
        messages = validate_source(source, self.filepath, self.function_name, validators)
        errors = errors_in(messages, self.filepath)
        if errors:
            return [refused(name, self.function_name, errors)]
        module = execute_file(os.path.expanduser(self.filepath), source)
        fn = _attribute(module, self.function_name, f"file `{self.filepath}`")
        return [_Component(name, _lookup.description(fn), self.function_name, as_function(fn))]

    def _read(self) -> bytes:
        try:
            with open(os.path.expanduser(self.filepath), "rb") as file:
                return file.read()
        except (OSError, ValueError) as e:  # ValueError: a null byte in the path
            reason = getattr(e, "strerror", None) or str(e)
            raise ComponentNotFoundException(f"cannot read component file `{self.filepath}`: {reason}") from e


def get_components(validators: list[ComponentFunctionValidator] | None = None) -> dict[str, _Component]:
    """All registered components that are valid, by name.

    Args:
        validators: the rules for components of plugins; None stands for the usual ones. Built-in components were
            checked when they were made.

    A plugin that does not work hides only its own components; ``torchx plugins`` tells what is wrong with it.
    """
    from torchx.plugins.errors import DuplicatePluginError, PluginLoadError

    components: dict[str, _Component] = {}
    for entry in _registry.entries():
        try:
            found = _all_of(entry, validators)
        except (PluginLoadError, DuplicatePluginError, ComponentLoadError):
            continue
        for component in found:
            if not component.validation_errors:
                components.setdefault(component.name, component)
    return dict(sorted(components.items()))


def get_component(name: str, validators: list[ComponentFunctionValidator] | None = None) -> _Component:
    """The component of the given name; see the top of this module for its forms.

    Args:
        name: what the user typed.
        validators: the rules; None stands for the usual ones, ``[]`` for none.

    Raises:
        ComponentNotFoundException: there is none.
        ComponentValidationException: it breaks a rule; the message lists all that is wrong.
        ComponentLoadError: its file or module raises when it is imported.
        PluginLoadError: the plugin that brings it does not work.
    """
    place, colon, fn_name = name.rpartition(":")
    if colon:
        component = _by_place(name, place, fn_name, validators)
    else:
        component = _registered(name, validators) or _by_dotted_name(name, validators)
    if component is None:
        raise _not_found(name)
    if component.validation_errors:
        raise invalid(name, component.validation_errors)
    return component


def get_builtin_source(name: str, validators: list[ComponentFunctionValidator] | None = None) -> str:
    """The source of a registered component with the imports that it needs, to make a component of one's own from.

    Args:
        name: the name of the component.
        validators: see :py:func:`get_component`.

    Raises:
        ComponentNotFoundException: there is no such component, or no source of it.
    """
    from torchx.specs._component_source import standalone_source

    component = get_component(name, validators)
    source = standalone_source(component.fn, component.fn_name)
    if source is None:
        raise ComponentNotFoundException(f"component `{name}` has no source")
    return source


def _all_of(entry: PluginEntry, validators: list[ComponentFunctionValidator] | None) -> list[_Component]:
    with foreign_output():
        loaded: Any = entry.load()
    rules = _rules(entry.is_builtin, validators)
    described = _registry.descriptor(entry)
    if described.is_function:
        return [checked(entry.name, loaded, rules)]
    return ModuleComponentsFinder(loaded, described.prefix).find(rules)


def _registered(name: str, validators: list[ComponentFunctionValidator] | None) -> _Component | None:
    found = _registry.find_registered(name)
    return checked(name, found.fn, _rules(found.is_builtin, validators)) if found else None


def _rules(
    is_builtin: bool, validators: list[ComponentFunctionValidator] | None
) -> list[ComponentFunctionValidator] | None:
    # Built-in components pass the usual rules, which a test proves; there is no need to pay for them at each start.
    return [] if is_builtin and validators is None else validators


def _by_place(
    name: str, place: str, fn_name: str, validators: list[ComponentFunctionValidator] | None
) -> _Component | None:
    if not place or not fn_name:
        raise ComponentNotFoundException(
            f"malformed component name `{name}`", hint="write `path/file.py:FUNCTION` or `package.module:FUNCTION`"
        )
    if place.endswith(".py") or os.sep in place:
        return CustomComponentsFinder(place, fn_name).find(validators)[0]
    module = _import(place)
    if module is None:
        raise ComponentNotFoundException(f"there is no module `{place}` for component `{name}`")
    return checked(name, _attribute(module, fn_name, f"module `{place}`"), validators)


def _by_dotted_name(name: str, validators: list[ComponentFunctionValidator] | None) -> _Component | None:
    place, _, fn_name = name.rpartition(".")
    module = _import(place) if place else None
    fn = getattr(module, fn_name, None)
    return checked(name, fn, validators) if _lookup.is_component_like(fn) else None


def _attribute(module: ModuleType, fn_name: str, place: str) -> Callable[..., AppDef]:
    """The function or class of a module; ``place`` is what messages call the module."""
    fn = getattr(module, fn_name, None)
    if not _lookup.is_component_like(fn):
        raise ComponentNotFoundException(f"{place} has no component `{fn_name}`", hint=_other_names(fn_name, module))
    return fn


def _other_names(name: str, module: ModuleType) -> str:
    """A hint at what a module has, its functions that are no valid components included: asked for, they tell why."""
    components = [known for known, _ in _lookup.components_in(module)]
    functions = [known for known in _lookup.functions_in(module) if known not in components]
    near = nearest(name, [*components, *functions])
    if near or components or not functions:
        return near or f"it has: {', '.join(components) or 'none'}"
    return f"it has functions that are no valid components: {', '.join(functions)}"


def _import(name: str) -> ModuleType | None:
    return import_module(name) if all(part.isidentifier() for part in name.split(".")) else None


def _not_found(name: str) -> ComponentNotFoundException:
    if name.endswith(".py"):
        return ComponentNotFoundException(f"`{name}` names no component", hint=f"write `{name}:FUNCTION`")
    known = list(get_components([]))
    same_end = [other for other in known if other.rpartition(".")[2] == name.rpartition(".")[2]]
    hint = f"did you mean {' or '.join(f'`{other}`' for other in same_end)}?" if same_end else nearest(name, known)
    return ComponentNotFoundException(
        f"there is no component `{name}`", hint=hint or "`torchx builtins` lists the components"
    )
