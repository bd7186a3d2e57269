"""Where plugins come from, and which of these places are asked.

``$TORCHX_PLUGINS_SOURCE`` is a list, separated by commas, of the places besides the built-ins: ``entry_points``
(installed distributions) and ``namespace`` (modules below ``torchx_plugins``); ``all``, the default, or ``none``.
``$TORCHX_DISABLE_PLUGINS`` lists distributions and ``torchx_plugins`` modules to leave alone; ``*`` means all of them.
What a program registers by decorator in its own modules is always there.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module

from torchx.errors import UsageError
from torchx.plugins._entry_points import EntryPoint, normalize
from torchx.plugins._providers import BUILTIN_MODULE, CORE, PLUGIN_GROUP, Provider
from torchx.plugins._registry import NAMESPACE_PACKAGE, STORE, ModuleProvider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchx.plugins.descriptors import PluginType

ENTRY_POINTS = "entry_points"
NAMESPACE = "namespace"
_ALL = frozenset({ENTRY_POINTS, NAMESPACE})


class Sources:
    """The providers of plugins, found on first use.

    Args:
        disabled: names of distributions and modules to leave alone, ``"*"`` for all.
        selected: the value of ``$TORCHX_PLUGINS_SOURCE``, None if it is not set.
    """

    def __init__(self, *, disabled: Iterable[str] = (), selected: str | None = None) -> None:
        names = {name.strip() for name in disabled} - {""}
        self._all_disabled = "*" in names
        self._disabled = {normalize(name) for name in names}
        self._selected = parse_source(selected)
        self._installed: list[Provider] | None = None
        self._modules: dict[str, ModuleProvider] = {}
        self._pending: dict[PluginType | None, list[str]] | None = None

    def prepare(self, kind: PluginType) -> None:
        """Imports the modules of the namespace whose decorators may register plugins of the kind."""
        if self._pending is None:
            self._pending = self._namespace()
        for module in [*self._pending.pop(None, []), *self._pending.pop(kind, [])]:
            provider = self._module(module)
            if not provider.disabled:
                provider.run(partial(import_module, module))

    def unasked(self) -> list[Provider]:
        """All providers, modules of the namespace that are not imported yet among them; imports none of them."""
        if self._pending is None:
            self._pending = self._namespace()
        for modules in self._pending.values():
            for module in modules:
                self._module(module)
        return self.providers()

    @property
    def all_selected(self) -> bool:
        """Whether no place is left out."""
        return self._selected == _ALL and not self._all_disabled

    def generation(self) -> int:
        """A number that changes whenever a decorator has registered something."""
        return STORE.generation

    def providers(self) -> list[Provider]:
        """All providers: the built-in one first, then the distributions by name, then the modules with decorators."""
        for module in STORE.modules():
            self._module(module)
        return [*self._found(), *(self._modules[name] for name in sorted(self._modules))]

    def _namespace(self) -> dict[PluginType | None, list[str]]:
        if NAMESPACE not in self._selected or self._all_disabled:
            return {}
        from torchx.plugins._namespace import find_modules

        found: dict[PluginType | None, list[str]] = {}
        self._module(NAMESPACE_PACKAGE).run(lambda: found.update(find_modules()))
        if not self._modules[NAMESPACE_PACKAGE].problems:
            del self._modules[NAMESPACE_PACKAGE]
        return found

    def _module(self, name: str) -> ModuleProvider:
        if name not in self._modules:
            self._modules[name] = ModuleProvider(name, disabled=self._is_module_disabled(name))
        return self._modules[name]

    def _is_module_disabled(self, name: str) -> bool:
        # What a program registers in its own modules is part of the program: only its name switches it off, not "*".
        if self._all_disabled and name.startswith(f"{NAMESPACE_PACKAGE}."):
            return True
        parts = name.split(".")
        return any(normalize(".".join(parts[:end])) in self._disabled for end in range(1, len(parts) + 1))

    def _found(self) -> list[Provider]:
        if self._installed is None:
            self._installed = [_builtin()]
            if ENTRY_POINTS in self._selected:
                self._installed += self._distributions()
        return self._installed

    def _distributions(self) -> list[Provider]:
        from torchx.plugins._entry_points import find_distributions

        found = [dist for dist in find_distributions() if dist.name != CORE]
        return [
            Provider.of_distribution(dist, disabled=self._all_disabled or dist.name in self._disabled)
            for dist in sorted(found, key=lambda dist: dist.name)
        ]


def _builtin() -> Provider:
    from torchx.version import __version__

    point = EntryPoint(group=PLUGIN_GROUP, name=CORE, value=BUILTIN_MODULE)
    return Provider(CORE, version=__version__, source="built-in", entry_points=[point])


def parse_source(value: str | None) -> frozenset[str]:
    """The places that a value of ``$TORCHX_PLUGINS_SOURCE`` selects.

    Raises:
        UsageError: it names a place that does not exist.
    """
    words = {word.strip() for word in (value or "all").split(",")} - {""}
    unknown = words - _ALL - {"all", "none"}
    if unknown:
        raise UsageError(
            f"TORCHX_PLUGINS_SOURCE={value} names an unknown source `{min(unknown)}`",
            hint="it is a list of `entry_points` and `namespace`, or `all`, or `none`",
        )
    return _ALL if "all" in words else frozenset(words & _ALL)
