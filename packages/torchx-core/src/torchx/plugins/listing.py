"""All providers of plugins with what they add and what does not work in them, as ``torchx plugins`` shows them."""

from __future__ import annotations

from torchx.util.light_dataclass import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchx.plugins._entry import PluginEntry
    from torchx.plugins._providers import Provider


@dataclass(frozen=True, kw_only=True)
class PluginDistribution:
    """What is known of one provider of plugins, for listings.

    Attributes:
        dist: the distribution's name, or the module's for plugins that are registered by decorator.
        version: the distribution's version, ``""`` where none is known.
        source: ``"built-in"``, ``"distribution"``, ``"namespace"`` (a ``torchx_plugins`` module) or ``"registered"``.
        location: the folder in which it is installed, ``""`` where none is known.
        hooks: the hooks that its plugin module implements.
        names: the names that it adds, by kind (``"schedulers"``, ...).
        status: ``"ok"``, ``"failed"`` (something in it does not work) or ``"disabled"``.
        error: what does not work and why, one line each; ``""`` if nothing.
    """

    dist: str
    version: str = ""
    source: str = ""
    location: str = ""
    hooks: tuple[str, ...] = ()
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    status: str = "ok"
    error: str = ""


def list_distributions(providers: Iterable[Provider], entries: Iterable[PluginEntry]) -> list[PluginDistribution]:
    """One record for each provider: the built-in one first, then by name."""
    names: dict[Provider, dict[str, list[str]]] = {}
    for entry in entries:
        names.setdefault(entry.provider, {}).setdefault(entry.kind.value, []).append(entry.name)
    records = [_record(provider, names.get(provider, {})) for provider in providers]
    return sorted(records, key=lambda record: (record.source != "built-in", record.dist))


def _record(provider: Provider, names: dict[str, list[str]]) -> PluginDistribution:
    return PluginDistribution(
        dist=provider.name,
        version=provider.version,
        source=provider.source,
        location=provider.location,
        hooks=provider.hooks(),
        names={kind: tuple(found) for kind, found in names.items()},
        status="disabled" if provider.disabled else "failed" if provider.problems else "ok",
        error="\n".join(str(problem) for problem in provider.problems),
    )
