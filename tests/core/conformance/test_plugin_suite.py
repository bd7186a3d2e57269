"""The suite for plugins, run as a plugin's author runs it: on good distributions, and on each way to go wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.core.plugins.conftest import site as site

if TYPE_CHECKING:
    from tests.core.plugins.conftest import Site

TESTS = """
import pytest
from torchx.testing import PluginConformance

class TestAcme(PluginConformance):
    @pytest.fixture
    def distribution(self):
        return "acme"
"""

PLUGIN = """
    from torchx.plugins import CommandPlugin, ComponentsPlugin, EventHandlerPlugin, NamedResourcePlugin, SchedulerPlugin
    from torchx.plugins import hookimpl

    @hookimpl
    def torchx_schedulers():
        return [SchedulerPlugin(name="acme", factory="acme_code:create_scheduler")]

    @hookimpl
    def torchx_named_resources():
        return [NamedResourcePlugin(name="acme.small", factory="acme_code:small")]

    @hookimpl
    def torchx_components():
        return [ComponentsPlugin(name="acme", module="acme_components")]

    @hookimpl
    def torchx_cli_commands():
        return [CommandPlugin(name="acme", command="acme_code:Command", summary="does nothing")]

    @hookimpl
    def torchx_event_handlers():
        return [EventHandlerPlugin(name="acme", handler="logging:NullHandler")]
"""

CODE = """
from torchx.cli.cmd_base import SubCommand
from torchx.schedulers.local_scheduler import LocalScheduler
from torchx.specs import Resource

SHARED = Resource(1, 0, 64)

def create_scheduler(session_name, **kwargs):
    return LocalScheduler(session_name, backend="acme")

def create_misnamed_scheduler(session_name, **kwargs):
    return LocalScheduler(session_name)

def create_choosy_scheduler(session_name):
    return create_scheduler(session_name)

def small():
    return Resource(1, 0, 64)

def shared():
    return SHARED

class Command(SubCommand):
    def add_arguments(self, subparser):
        subparser.add_argument("--all")
    def run(self, args):
        pass
"""

COMPONENTS = """
from torchx.specs import AppDef

def hello(name: str) -> AppDef:
    return AppDef(name)
"""


def outcome(
    site: Site, plugin: str, *, components: str = COMPONENTS, core: str = "torchx-core>=0.1", tests_like: str = "test"
) -> dict[str, str]:
    """Installs a distribution, runs the suite (or some tests of it) on it, and tells which tests failed and why."""
    site.plugin("acme", plugin, acme_code=CODE, acme_components=components)
    site.write(
        "acme-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: acme\nVersion: 1.0\nRequires-Dist: {core}\n"
    )
    tests = site.folder.parent / "test_acme.py"
    tests.write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", "-k", tests_like, str(tests)],
        cwd=tests.parent,
        env={**os.environ, "PYTHONPATH": str(site.folder), "COLUMNS": "1000", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert re.search(r"\d+ (passed|failed)", done.stdout), done.stdout + done.stderr
    return dict(re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)(?: - (.*))?$", done.stdout, re.MULTILINE))


def test_good_distribution_passes(site: Site) -> None:
    assert outcome(site, PLUGIN) == {}


@pytest.mark.parametrize(
    ("old", "new", "failing", "why"),
    [
        (
            "from torchx.plugins import hookimpl",
            "from json import tool; from torchx.plugins import hookimpl",
            "costs_nothing",
            "json",
        ),
        ("@hookimpl\n    def torchx_components", "def torchx_components", "are_marked", "not marked with @hookimpl"),
        ("torchx_schedulers():", "torchx_scheduler():", "are_marked", "there is no hook torchx_scheduler"),
        ("torchx_schedulers():", "torchx_schedulers(manager=None):", "are_marked", "manager"),
        ('summary="does nothing"', "", "summaries", "shows the summary"),
        ("acme_code:small", "acme_code:no_such", "can_be_used", "no_such"),
        ("acme_code:small", "acme_code:shared", "can_be_used", "one object to all"),
        ("acme_code:create_scheduler", "acme_code:small", "can_be_used", "small"),
        ("acme_code:create_scheduler", "acme_code:create_misnamed_scheduler", "can_be_used", "another name"),
        ("acme_code:create_scheduler", "acme_code:create_choosy_scheduler", "can_be_used", "keyword"),
        ("logging:NullHandler", "acme_code:small", "can_be_used", "no logging.Handler"),
        ("acme_code:Command", "acme_code:small", "can_be_used", "no SubCommand"),
        ('name="acme.small"', 'name="cpu.small"', "taken_by_nobody_else", "cpu.small"),
        ("hookimpl\n\n", "hookimpl\n\n    raise ValueError('boom')\n\n", "nothing_in_it_is_wrong", "boom"),
    ],
    ids=lambda value: value.strip().replace("\n", " ")[:40],
)
def test_what_is_wrong_is_found(site: Site, old: str, new: str, failing: str, why: str) -> None:
    assert old in PLUGIN
    failed = outcome(site, PLUGIN.replace(old, new, 1), tests_like=failing)
    reasons = [reason for test, reason in failed.items() if failing in test]
    assert len(reasons) == 1, failed
    assert why in reasons[0]


def test_invalid_component_is_found(site: Site) -> None:
    failed = outcome(site, PLUGIN, components=COMPONENTS.replace("name: str", "name"))
    assert [*failed] == ["test_all_that_it_adds_can_be_used"]
    assert "acme.hello" in failed["test_all_that_it_adds_can_be_used"]


def test_undeclared_dependency_is_found(site: Site) -> None:
    assert [*outcome(site, PLUGIN, core="torchx-corelike")] == ["test_it_requires_torchx_core"]
