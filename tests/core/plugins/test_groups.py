"""The documented entry-point groups, one for each kind."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from torchx.plugins import ComponentsPlugin, PluginLoadError

if TYPE_CHECKING:
    from tests.core.plugins.conftest import Site

GROUPS = {
    "schedulers": "torchx.schedulers",
    "named_resources": "torchx.named_resources",
    "trackers": "torchx.tracker",
    "cli_commands": "torchx.cli.cmds",
    "event_handlers": "torchx.event_handlers",
}


@pytest.mark.parametrize("kind", GROUPS)
def test_an_entry_point_is_a_plugin_that_is_not_imported_before_use(site: Site, kind: str) -> None:
    site.dist("acme", "3.1", groups={GROUPS[kind]: {"thing": "acme_code:Outer.inner [extra]"}})
    site.write("acme_code.py", "class Outer:\n    inner = 'found'\n")
    entry = site.manager().get(kind, "thing")
    assert (entry.dist, entry.version, entry.kind.value) == ("acme", "3.1", kind)
    assert "acme_code" not in sys.modules
    assert entry.load() == "found"


def test_one_that_cannot_be_loaded_says_so_when_it_is_asked_for(site: Site) -> None:
    site.dist("acme", groups={"torchx.tracker": {"thing": "acme_code:create"}})
    entry = site.manager().get("trackers", "thing")
    with pytest.raises(PluginLoadError, match="No module named 'acme_code'"):
        entry.load()


def test_a_group_of_components_is_a_module(site: Site) -> None:
    site.dist("acme", groups={"torchx.components": {"myco": "acme_pkg.components"}})
    site.write("acme_pkg/__init__.py", "")
    site.write("acme_pkg/components.py", "NAME = 'components'\n")
    entry = site.manager().get("components", "myco")
    assert isinstance(entry.descriptor, ComponentsPlugin)
    assert (entry.descriptor.prefix, entry.descriptor.is_function) == ("myco", False)
    assert entry.load() is sys.modules["acme_pkg.components"]
    assert {"dist", "utils"} <= set(site.manager().components())


def test_numbered_groups_of_components_have_no_prefix_and_do_not_collide(site: Site) -> None:
    site.dist("acme", groups={"torchx.components": {"_0": "acme.a", "_1": "acme.b"}})
    site.dist("other", groups={"torchx.components": {"_0": "other.a", "_x": "other.b"}})
    components = site.manager().components()
    groups = {name: entry.descriptor for name, entry in components.items() if name.startswith("_")}
    assert {name: found.target for name, found in groups.items()} == {
        "_0": "acme.a",
        "_1": "acme.b",
        "_2": "other.a",
        "_x": "other.b",
    }
    prefixes = {name: found.prefix for name, found in groups.items() if isinstance(found, ComponentsPlugin)}
    assert prefixes == {"_0": "", "_1": "", "_2": "", "_x": "_x"}


def test_groups_of_others_are_left_alone(site: Site) -> None:
    site.dist("acme", groups={"console_scripts": {"torchx.fake": "acme:main"}, "mytorchx.schedulers": {"a": "b:c"}})
    manager = site.manager()
    assert "acme" not in {record.dist for record in manager.distributions()}
