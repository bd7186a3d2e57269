"""What a distribution of plugins must be: found, described rightly, cheap to look at, and all of it usable."""

from __future__ import annotations

import inspect

import pytest

from torchx.testing.plugin_targets import check_target
from torchx.testing.processes import AUDIT, elsewhere
from torchx.testing.suite import ConformanceSuite, missing_fixture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from torchx.plugins._entry import PluginEntry
    from torchx.plugins.listing import PluginDistribution

__all__ = ["PluginConformance"]

IMPORT = (
    """
import torchx.plugins
before = set(sys.modules)
"""
    + AUDIT
    + """
module = __import__(name, fromlist=["*"])
hooks = [value for key, value in vars(module).items() if key.startswith("torchx_") and key not in lifecycle]
described = [list(hook() or ()) for hook in hooks if hasattr(hook, "torchx_impl")]
package = name.partition(".")[0]
ours = ("torchx.plugins", "torchx.util.light_")
imported = sorted(m for m in set(sys.modules) - before if m.partition(".")[0] != package and not m.startswith(ours))
result = [imported, changes]
"""
)


class PluginConformance(ConformanceSuite):
    """The suite for a distribution with a ``torchx.plugins`` entry point. A subclass defines ``distribution``.

    The distribution must be installed, in the usual or the editable way.

    Attributes:
        allowed_imports: modules that the plugin module may import beside ``torchx.plugins`` and its own package. Every
            ``torchx`` command pays for them.
    """

    allowed_imports: frozenset[str] = frozenset()

    @pytest.fixture
    def distribution(self) -> str:
        """The distribution's name."""
        missing_fixture("PluginConformance", "distribution", "the name of the installed distribution")

    @pytest.fixture
    def record(self, distribution: str) -> Iterator[PluginDistribution]:
        """What ``torchx plugins`` knows of it."""
        from torchx.plugins import get_plugin_manager, reset_plugin_manager
        from torchx.plugins._entry_points import normalize

        reset_plugin_manager()
        found = [d for d in get_plugin_manager().distributions() if normalize(d.dist) == normalize(distribution)]
        assert found, f"no installed distribution `{distribution}` has an entry point of the group torchx.plugins"
        yield found[0]
        reset_plugin_manager()

    @pytest.fixture
    def entries(self, record: PluginDistribution) -> list[PluginEntry]:
        """All that it adds."""
        from torchx.plugins import PluginType, get_plugin_manager

        manager = get_plugin_manager()
        tables = [manager.entries(kind).values() for kind in PluginType]
        listed = [entry for table in tables for first in table for entry in (first.rivals or (first,))]
        return [entry for entry in listed if entry.dist == record.dist]

    @pytest.fixture
    def modules(self, record: PluginDistribution) -> dict[str, ModuleType]:
        """Its plugin modules by name."""
        import importlib
        from importlib.metadata import distribution

        points = [p for p in distribution(record.dist).entry_points if p.group == "torchx.plugins"]
        assert points, f"`{record.dist}` has no entry point of the group torchx.plugins"
        return {point.module: importlib.import_module(point.module) for point in points}

    def test_it_is_found_and_nothing_in_it_is_wrong(self, record: PluginDistribution) -> None:
        assert (record.status, record.error) == ("ok", "")
        assert record.version

    def test_its_hooks_are_marked_known_and_have_the_right_arguments(self, modules: dict[str, ModuleType]) -> None:
        from torchx.plugins import hookspecs
        from torchx.plugins._markers import impl_options

        for module in modules.values():
            for name, hook in vars(module).items():
                if not name.startswith("torchx_") or not callable(hook):
                    continue
                assert impl_options(hook) is not None, f"{name} is not marked with @hookimpl"
                spec = getattr(hookspecs, name, None)
                assert spec is not None, f"there is no hook {name}"
                allowed = [*inspect.signature(spec).parameters]
                taken = [*inspect.signature(hook).parameters]
                assert set(taken) <= set(allowed), f"{name} takes {taken}, the hook gives {allowed}"

    def test_importing_and_asking_it_costs_nothing(self, modules: dict[str, ModuleType]) -> None:
        from torchx.plugins._markers import LIFECYCLE_HOOKS

        for name in modules:
            imported, changes = elsewhere(IMPORT, name=name, lifecycle=LIFECYCLE_HOOKS)
            heavy = sorted(set(imported) - self.allowed_imports)
            assert heavy == [], f"every torchx command would pay for what {name} imports: {', '.join(heavy)}"
            assert changes == []

    def test_its_hooks_answer_alike_every_time(self, modules: dict[str, ModuleType]) -> None:
        from torchx.plugins import PluginType

        for module in modules.values():
            for kind in PluginType:
                hook = getattr(module, kind.hook, None)
                if hook is not None:
                    assert [*hook()] == [*hook()]

    def test_its_names_are_taken_by_nobody_else(self, entries: list[PluginEntry]) -> None:
        from torchx.plugins import get_plugin_manager

        tables = {entry.kind: get_plugin_manager().entries(entry.kind) for entry in entries}
        contested = {e.name: sorted({rival.dist for rival in tables[e.kind][e.name].rivals}) for e in entries}
        assert {name: dists for name, dists in contested.items() if dists} == {}

    def test_its_summaries_are_one_line(self, entries: list[PluginEntry]) -> None:
        from torchx.plugins import PluginType

        assert [entry.name for entry in entries if "\n" in entry.summary] == []
        commands = [entry for entry in entries if entry.kind is PluginType.COMMAND]
        assert [entry.name for entry in commands if not entry.summary] == [], "`torchx --help` shows the summary"

    def test_all_that_it_adds_can_be_used(self, entries: list[PluginEntry]) -> None:
        for entry in entries:
            check_target(entry)

    def test_it_requires_torchx_core(self, record: PluginDistribution) -> None:
        from importlib.metadata import requires

        from torchx.plugins._entry_points import normalize

        names = [normalize(_name_of(requirement)) for requirement in requires(record.dist) or ()]
        assert "torchx-core" in names


def _name_of(requirement: str) -> str:
    """``"torchx-core"`` of ``"torchx-core<1,>=0.1; extra == 'x'"``."""
    import re

    found = re.match(r"[\w.-]+", requirement)
    return found[0] if found else ""
