"""Where plugins come from, and which of these places are asked.

``$TORCHX_PLUGINS_SOURCE`` is a list, separated by commas, of the places besides the built-ins: ``entry_points``
(installed distributions) and ``namespace`` (modules below ``torchx_plugins``); ``all``, the default, or ``none``.
``$TORCHX_DISABLE_PLUGINS`` lists distributions and ``torchx_plugins`` modules to leave alone; ``*`` means all of them.
What a program registers by decorator in its own modules is always there.
"""

from __future__ import annotations

from torchx.errors import UsageError
from torchx.plugins._entry_points import EntryPoint, normalize
from torchx.plugins._providers import BUILTIN_MODULE, CORE, PLUGIN_GROUP, Provider

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

    def prepare(self, kind: PluginType) -> None:
        """Imports the modules whose decorators may register plugins of the kind."""

    def generation(self) -> int:
        """A number that changes whenever a decorator has registered something."""
        return 0

    def providers(self) -> list[Provider]:
        """All providers: the built-in one first, then the distributions by name, then the modules with decorators."""
        return [*self._found()]

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
