"""Scheduler factories by name, and entry points of any group."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING

import pytest

from torchx.errors import UsageError
from torchx.plugins import DuplicatePluginError, PluginLoadError
from torchx.schedulers import DEFAULT_SCHEDULER_MODULES, get_default_scheduler_name, get_scheduler_factories
from torchx.util.entrypoints import load, load_group

if TYPE_CHECKING:
    from tests.core.plugins.conftest import Site


def test_factories_are_those_of_the_plugins_and_import_nothing_until_called(site: Site) -> None:
    site.scheduler("acme-torchx", "acme")
    site.manager()
    factories = get_scheduler_factories()
    assert next(iter(factories)) == get_default_scheduler_name() == "local_cwd"
    assert "acme_torchx_code" not in sys.modules
    assert factories["acme"]("session", x=1) == ("acme-torchx", "session", {"x": 1})  # type: ignore[comparison-overlap]  # a stand-in


def test_the_defaults_can_be_left_out(site: Site) -> None:
    site.scheduler("acme-torchx", "acme")
    site.manager()
    assert list(get_scheduler_factories(skip_defaults=True)) == ["acme"]
    assert "local_cwd" in DEFAULT_SCHEDULER_MODULES


def test_the_signature_is_that_of_the_plugins_function(site: Site) -> None:
    site.scheduler("acme-torchx", "acme")
    site.write("acme_torchx_code.py", "def create(session_name: str, retries: int = 3, **kwargs): ...\n")
    site.manager()
    assert list(inspect.signature(get_scheduler_factories()["acme"]).parameters) == [
        "session_name",
        "retries",
        "kwargs",
    ]


def test_calling_a_factory_that_does_not_work_says_why(site: Site) -> None:
    site.scheduler("bad", "acme")
    site.write("bad_code.py", "raise ValueError('boom')")
    site.scheduler("first", "twice")
    site.scheduler("second", "twice")
    site.manager()
    factories = get_scheduler_factories()
    with pytest.raises(PluginLoadError, match="boom"):
        factories["acme"]("session")
    with pytest.raises(DuplicatePluginError):
        factories["twice"]("session")


def test_another_group_gives_its_own_factories_alone(site: Site) -> None:
    site.dist("acme", groups={"my.schedulers": {"mine": "acme_code:create"}})
    site.write("acme_code.py", "def create(session_name, **kwargs): return session_name\n")
    factories = get_scheduler_factories("my.schedulers")
    assert list(factories) == ["mine"]
    assert factories["mine"]("session") == "session"  # type: ignore[comparison-overlap]  # a stand-in


@pytest.fixture
def grouped(site: Site) -> Site:
    site.dist("acme", groups={"my.group": {"double": "acme_code:double", "module": "acme_code", "bad": "acme_code:no"}})
    site.write("acme_code.py", "def double(x): return 2 * x\n")
    return site


def test_one_entry_point_is_loaded(grouped: Site) -> None:
    double = load("my.group", "double")
    assert callable(double)
    assert double(4) == 8


def test_an_entry_point_that_is_missing_gives_the_default_or_an_error(grouped: Site) -> None:
    assert load("my.group", "none", default=None) is None
    assert load("no.group", "double", 5) == 5
    with pytest.raises(KeyError) as caught:
        load("my.group", "doubel")
    assert isinstance(caught.value, UsageError)
    assert str(caught.value) == "there is no entry point `doubel` in group `my.group`"
    assert caught.value.hint == "did you mean `double` or `module`?"


def test_an_entry_point_that_is_broken_is_not_replaced_by_the_default(grouped: Site) -> None:
    with pytest.raises(AttributeError):
        load("my.group", "bad", default=None)


def test_a_group_is_loaded_entry_by_entry_when_called(grouped: Site) -> None:
    group = load_group("my.group")
    assert list(group) == ["double", "module", "bad"]
    assert "acme_code" not in sys.modules
    assert group["double"](4) == 8
    assert group["module"]() is sys.modules["acme_code"]
    with pytest.raises(AttributeError):
        group["bad"]()
    assert load_group("no.group") == {}
