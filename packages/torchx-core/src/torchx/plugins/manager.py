"""The plugin manager: finds all plugins, describes them without importing their code, and hands them out by name."""

from __future__ import annotations

import os
from _thread import RLock  # Importing threading would cost more than finding all plugins.
from types import MappingProxyType

from torchx.plugins.descriptors import PluginType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchx.plugins._entry import PluginEntry
    from torchx.plugins.lifecycle import HookRelay
    from torchx.plugins.listing import PluginDistribution

ENV_DISABLE = "TORCHX_DISABLE_PLUGINS"
ENV_SOURCE = "TORCHX_PLUGINS_SOURCE"


class PluginManager:
    """All plugins of this process: the built-in ones, the installed distributions', and those registered by decorator.

    Nothing is looked for before the first question, and a question about one kind asks about that kind alone.
    What fails in one plugin is recorded with it and hides no other. Safe to use from several threads.

    Args:
        disabled: names of distributions whose code is never imported, ``"*"`` for all but the built-in ones;
            ``$TORCHX_DISABLE_PLUGINS`` if None.

    Raises:
        UsageError: ``$TORCHX_PLUGINS_SOURCE`` is malformed.
    """

    def __init__(self, *, disabled: Iterable[str] | None = None) -> None:
        from torchx.plugins._sources import Sources

        given = os.environ.get(ENV_DISABLE, "").split(",") if disabled is None else disabled
        self._sources = Sources(disabled=given, selected=os.environ.get(ENV_SOURCE))
        self._lock = RLock()
        self._tables: dict[PluginType, tuple[int, Mapping[str, PluginEntry]]] = {}
        self._relay: HookRelay | None = None

    def schedulers(self) -> Mapping[str, PluginEntry]:
        """The backends; loading one gives its factory ``(session_name: str, **kwargs) -> Scheduler``."""
        return self.entries(PluginType.SCHEDULER)

    def workspaces(self) -> Mapping[str, PluginEntry]:
        """The image builders; loading one gives its class."""
        return self.entries(PluginType.WORKSPACE)

    def trackers(self) -> Mapping[str, PluginEntry]:
        """The trackers; loading one gives its factory ``(config: str | None) -> TrackerBase``."""
        return self.entries(PluginType.TRACKER)

    def named_resources(self) -> Mapping[str, PluginEntry]:
        """The named resources, tables taken apart; loading one gives its factory ``() -> Resource``."""
        return self.entries(PluginType.NAMED_RESOURCE)

    def components(self) -> Mapping[str, PluginEntry]:
        """The groups of components; loading one gives a module, or a function if ``descriptor.is_function``.

        Groups without a prefix are listed as ``_0``, ``_1``, ...; ``descriptor.prefix`` is what names begin with.
        """
        return self.entries(PluginType.COMPONENT)

    def cli_commands(self) -> Mapping[str, PluginEntry]:
        """The sub-commands; loading one gives its class."""
        return self.entries(PluginType.COMMAND)

    def event_handlers(self) -> Mapping[str, PluginEntry]:
        """The destinations of event records; loading one gives a handler or a function that makes one."""
        return self.entries(PluginType.EVENT_HANDLER)

    def entries(self, kind: PluginType | str) -> Mapping[str, PluginEntry]:
        """The plugins of one kind by name. A name that several provide is listed once; its entry has ``rivals``."""
        kind = PluginType(kind)
        with self._lock:
            self._sources.prepare(kind)
            generation = self._sources.generation()
            cached = self._tables.get(kind)
            if cached is None or cached[0] != generation:
                from torchx.plugins._tables import build_table

                cached = generation, MappingProxyType(build_table(kind, self._sources.providers()))
                self._tables[kind] = cached
            return cached[1]

    def get(self, kind: PluginType | str, name: str) -> PluginEntry:
        """The plugin of a kind that has the given name.

        Raises:
            UnknownPluginError: there is none; the hint names the nearest ones.
            DuplicatePluginError: several plugins provide it.
            PluginLoadError: there is none, and a plugin that may have provided it does not work.
        """
        kind = PluginType(kind)
        entry = self.entries(kind).get(name)
        if entry is None:
            from torchx.plugins._missing import missing

            raise missing(kind, name, self.entries(kind), self._sources.providers())
        if entry.rivals:
            raise entry.ambiguous()
        return entry

    def provider_names(self) -> list[str]:
        """The distributions and modules that bring plugins, those that are switched off or broken among them."""
        with self._lock:
            return [provider.name for provider in self._sources.providers()]

    def providers_unasked(self) -> dict[str, bool]:
        """The same names, before any of their code is imported, in the order of `distributions`.

        Returns:
            name -> whether it is switched off.
        """
        with self._lock:
            found = {provider.name: provider for provider in self._sources.unasked()}
        order = sorted(found.values(), key=lambda provider: (provider.source != "built-in", provider.name))
        return {provider.name: provider.disabled for provider in order}

    def is_whole(self) -> bool:
        """Whether nothing that is installed is switched off or known to be broken: then other names do not exist."""
        with self._lock:
            providers = self._sources.providers()
            return self._sources.all_selected and not any(p.disabled or p.problems for p in providers)

    def has_lifecycle_hooks(self) -> bool:
        """Whether `hook` has to be asked at all: False where nothing but torchx-core is installed."""
        with self._lock:
            return any(provider.source != "built-in" for provider in self._sources.providers())

    @property
    def hook(self) -> HookRelay:
        """Calls the lifecycle hooks: ``manager.hook.torchx_app_submitted(event=...)``."""
        with self._lock:
            if self._relay is None:
                from torchx.plugins.lifecycle import HookRelay

                self._relay = HookRelay(self._sources.providers())
            return self._relay

    def distributions(self) -> list[PluginDistribution]:
        """All providers with what they add and what does not work in them: built-in first, then by name."""
        from torchx.plugins._tables import collect
        from torchx.plugins.listing import list_distributions

        with self._lock:
            entries: list[PluginEntry] = []
            for kind in PluginType:
                self._sources.prepare(kind)
                entries += collect(kind, self._sources.providers())
            return list_distributions(self._sources.providers(), entries)


_manager_lock = RLock()
_manager: PluginManager | None = None


def get_plugin_manager() -> PluginManager:
    """The plugin manager of this process, made on first use."""
    global _manager
    with _manager_lock:
        if _manager is None:
            _manager = PluginManager()
        return _manager


def reset_plugin_manager(*, disabled: Iterable[str] | None = None) -> None:
    """Forgets all that was found, so that the next question looks again.

    Args:
        disabled: names of distributions to leave out from now on (``["*"]``: all but the built-in ones, as
            ``torchx --no-plugins`` does); what ``$TORCHX_DISABLE_PLUGINS`` says if None.
    """
    global _manager
    with _manager_lock:
        _manager = None if disabled is None else PluginManager(disabled=disabled)
