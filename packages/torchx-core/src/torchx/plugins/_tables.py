"""From what the providers describe to one table of names for each kind of plugins."""

from __future__ import annotations

from collections.abc import Mapping

from torchx.plugins._entry import UNSET, PluginEntry
from torchx.plugins._providers import PLUGIN_FAILURES, Provider
from torchx.plugins.descriptors import NamedResourcePlugin, PluginType, is_unprefixed
from torchx.plugins.errors import PluginApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def collect(kind: PluginType, providers: Iterable[Provider]) -> list[PluginEntry]:
    """All plugins of a kind, those of one name too, in the order of the providers."""
    return [entry for provider in providers for entry in _entries(kind, provider)]


def build_table(kind: PluginType, providers: Iterable[Provider]) -> dict[str, PluginEntry]:
    """The plugins of a kind by name; one entry stands for all that claim a name.

    What ``.torchxconfig`` decides is decided here; a name that stays contested has ``rivals``.
    """
    by_name: dict[str, list[PluginEntry]] = {}
    unprefixed = 0
    for entry in collect(kind, providers):
        if kind is PluginType.COMPONENT and is_unprefixed(entry.name):
            # Every distribution may number its groups from zero: they do not contest the number.
            entry.name = f"_{unprefixed}"
            unprefixed += 1
        by_name.setdefault(entry.name, []).append(entry)
    return {name: _elect(name, claims) for name, claims in by_name.items()}


def _entries(kind: PluginType, provider: Provider) -> Iterator[PluginEntry]:
    for descriptor in provider.descriptors(kind):
        if isinstance(descriptor, NamedResourcePlugin) and descriptor.table:
            yield from _table_entries(descriptor, provider)
        else:
            yield PluginEntry(descriptor.name, descriptor, provider, loaded=provider.objects.get(descriptor, UNSET))


def _table_entries(descriptor: NamedResourcePlugin, provider: Provider) -> Iterator[PluginEntry]:
    what = f"table of named resources `{descriptor.table}`"
    try:
        table = _load_table(descriptor, provider)
        if not isinstance(table, Mapping):
            raise PluginApiError(f"it is a {type(table).__name__}, not a mapping of names to functions")
        items = list(table.items())
    except PLUGIN_FAILURES as error:
        provider.record(what, error, descriptor.kind)
        return
    for name, factory in items:
        target = f"{descriptor.table}[{name!r}]"
        one = NamedResourcePlugin(name=str(name), factory=target, summary=descriptor.summary)
        yield PluginEntry(one.name, one, provider, loaded=factory)


def _load_table(descriptor: NamedResourcePlugin, provider: Provider) -> object:
    make = provider.objects.get(descriptor)
    if callable(make):
        return make()
    from torchx.plugins._loading import load_target

    return load_target(descriptor.table)


def _elect(name: str, claims: list[PluginEntry]) -> PluginEntry:
    distinct = _distinct(claims)
    if len(distinct) == 1:
        return distinct[0]
    from torchx.errors import TorchXError

    contested = PluginEntry(name, distinct[0].descriptor, distinct[0].provider)
    contested.rivals = tuple(distinct)
    try:
        chosen = _configured(name, distinct)
    except TorchXError as error:
        # Who asks for another name, or for help, does not need the settings.
        chosen, contested.unread = None, error
    return chosen or contested


def _distinct(claims: list[PluginEntry]) -> list[PluginEntry]:
    """Without what one distribution says twice, as in its hook and in a documented entry-point group."""
    seen: dict[tuple[str, str], PluginEntry] = {}
    for entry in claims:
        seen.setdefault((entry.dist, entry.descriptor.target), entry)
    return list(seen.values())


def _configured(name: str, claims: list[PluginEntry]) -> PluginEntry | None:
    from torchx.plugins._choices import chosen_provider

    provider = chosen_provider(claims[0].kind, name)
    matching = [entry for entry in claims if provider is not None and entry.provider.is_called(provider)]
    return matching[0] if len(matching) == 1 else None
