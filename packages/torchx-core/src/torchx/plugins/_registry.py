"""What ``@register`` decorators have registered in this process, by the module that did."""

from __future__ import annotations

from _thread import RLock

from torchx.plugins._providers import PLUGIN_FAILURES, Provider
from torchx.plugins.errors import RegistrationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from torchx.plugins.descriptors import Descriptor, PluginType

NAMESPACE_PACKAGE = "torchx_plugins"


class Registration:
    """One registered name.

    Attributes:
        descriptor: describes the plugin.
        loaded: the decorated object, or for a table of named resources a function that makes the table.
        module: the module of the decorated object.
        origin: its qualified name there; registering it again, as after a reload, replaces what it registered before.
    """

    __slots__ = ("descriptor", "loaded", "module", "origin")

    def __init__(self, descriptor: Descriptor, loaded: object, module: str, origin: str) -> None:
        self.descriptor = descriptor
        self.loaded = loaded
        self.module = module
        self.origin = origin


class Store:
    """All registrations of this process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._by_module: dict[str, dict[tuple[PluginType, str], Registration]] = {}
        self.generation = 0

    def add(self, registration: Registration) -> None:
        """Adds one name.

        Raises:
            RegistrationError: something else in the same module has registered the name.
        """
        descriptor = registration.descriptor
        key = (descriptor.kind, descriptor.name)
        with self._lock:
            names = self._by_module.setdefault(registration.module, {})
            known = names.get(key)
            if known is not None and known.origin != registration.origin:
                raise RegistrationError(
                    f"{descriptor.kind.label} `{descriptor.name}` is registered twice in `{registration.module}`: "
                    f"by `{known.origin}` and by `{registration.origin}`",
                    hint="give one of them another name",
                )
            names[key] = registration
            self.generation += 1

    def discard(self, module: str) -> None:
        """Forgets what a module has registered, as when the rest of it failed."""
        with self._lock:
            if self._by_module.pop(module, None):
                self.generation += 1

    def modules(self) -> list[str]:
        """The modules that have registered anything, sorted."""
        with self._lock:
            return sorted(self._by_module)

    def of(self, module: str, kind: PluginType) -> list[Registration]:
        """What a module has registered of one kind."""
        with self._lock:
            return [found for (of_kind, _), found in self._by_module.get(module, {}).items() if of_kind is kind]


STORE = Store()


class ModuleProvider(Provider):
    """A module that registers plugins by decorator.

    Args:
        module: its name.
        disabled: what it registers is left out.
    """

    def __init__(self, module: str, *, disabled: bool = False) -> None:
        below = module.startswith(f"{NAMESPACE_PACKAGE}.")
        super().__init__(module, source="namespace" if below else "registered", disabled=disabled)

    def descriptors(self, kind: PluginType) -> list[Descriptor]:
        if self.disabled:
            return []
        found = STORE.of(self.name, kind)
        self.objects.update((one.descriptor, one.loaded) for one in found)
        return [one.descriptor for one in found]

    def run(self, load: Callable[[], object]) -> None:
        """Imports the module; one that fails half-way adds nothing."""
        try:
            load()
        except PLUGIN_FAILURES as error:
            STORE.discard(self.name)
            self.record(f"import of `{self.name}`", error)
