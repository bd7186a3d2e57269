"""What ``torchx-core`` itself registers, and what finding plugins costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from torchx.plugins import PluginType
from torchx.plugins._builtin import (
    torchx_cli_commands,
    torchx_components,
    torchx_named_resources,
    torchx_schedulers,
    torchx_trackers,
    torchx_workspaces,
)
from torchx.plugins._entry_points import find_distributions
from torchx.plugins._loading import load_target

if TYPE_CHECKING:
    from tests.core.plugins.conftest import Site
    from torchx.plugins import Descriptor

DESCRIBED: list[Descriptor] = [
    *torchx_schedulers(),
    *torchx_workspaces(),
    *torchx_trackers(),
    *torchx_named_resources(),
    *torchx_components(),
    *torchx_cli_commands(),
]

# Loaded by no command that only looks plugins up.
HEAVY = {
    *("asyncio", "argparse", "configparser", "dataclasses", "difflib", "email", "importlib.metadata", "inspect"),
    *("json", "logging", "pathlib", "re", "shutil", "subprocess", "tempfile", "threading", "typing", "zipfile"),
    *("boto3", "docker", "docstring_parser", "fsspec", "kubernetes", "pluggy", "rich", "yaml"),
}


@pytest.mark.parametrize("described", DESCRIBED, ids=lambda described: f"{described.kind.value}-{described.name}")
def test_each_builtin_can_be_loaded_and_has_a_summary(described: Descriptor) -> None:
    assert load_target(described.target) is not None
    assert described.summary


def test_the_commands_are_those_of_the_command_line() -> None:
    expected = "run status describe log list cancel delete runopts builtins plugins configure tracker doctor completion"
    assert [command.name for command in torchx_cli_commands()] == expected.split()


def test_the_core_distribution_is_listed_first_and_is_well(site: Site) -> None:
    first = site.manager().distributions()[0]
    assert (first.dist, first.source, first.status, first.error) == ("torchx-core", "built-in", "ok", "")
    assert set(first.names) == {kind.value for kind in PluginType} - {"event_handlers"}


@pytest.mark.parametrize("kind", ["schedulers", "cli_commands", "components", "trackers"])
def test_looking_plugins_up_imports_nothing_heavy(site: Site, kind: str) -> None:
    site.scheduler("acme-torchx", "acme")
    loaded = site.python(
        f"""
        import sys
        before = set(sys.modules)
        from torchx.plugins.manager import get_plugin_manager
        assert get_plugin_manager().{kind}()
        assert "acme_torchx_plugin" in sys.modules
        print(" ".join(set(sys.modules) - before))
        """
    ).split()
    assert sorted(HEAVY & set(loaded)) == []


def test_a_hundred_distributions_are_found_in_a_few_milliseconds(site: Site) -> None:
    for number in range(100):
        groups = {"torchx.schedulers": {f"s{number}": "code:create"}} if number % 10 == 0 else {"other": {"a": "b:c"}}
        site.dist(f"dist-{number}", groups=groups)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        found = find_distributions([str(site.folder)])
        times.append(time.perf_counter() - start)
    assert len(found) == 10
    # The target is 3 ms on an idle machine; the limit leaves room for a busy one.
    assert min(times) < 0.01
