"""The ``@register`` decorators, in modules of a program and below ``torchx_plugins``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from torchx import plugins
from torchx.plugins import (
    ComponentsPlugin,
    DuplicatePluginError,
    PluginType,
    RegistrationError,
    UnknownPluginError,
    halve_mem_down_to,
    powers_of_two_gpus,
    register,
    registry,
    resource_tags,
)
from torchx.plugins._registry import STORE
from torchx.specs import Resource, named_resources, resource
from torchx.specs._resource import TAG_FRACTION, TAG_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.core.plugins.conftest import Site


@pytest.fixture(autouse=True)
def own_registrations(site: Site) -> Iterator[None]:
    yield
    STORE.discard(__name__)


def _host(fractional: float = 1.0) -> Resource:
    return Resource(cpu=int(64 * fractional), gpu=int(8 * fractional), memMB=int(65536 * fractional))


KINDS = {
    "scheduler": PluginType.SCHEDULER,
    "workspace": PluginType.WORKSPACE,
    "tracker": PluginType.TRACKER,
    "component": PluginType.COMPONENT,
    "command": PluginType.COMMAND,
    "cli_cmd": PluginType.COMMAND,
    "event_handler": PluginType.EVENT_HANDLER,
}


@pytest.mark.parametrize("decorator", KINDS)
def test_a_decorated_function_is_a_plugin_of_its_kind(decorator: str) -> None:
    def make(*args: object) -> str:
        """Makes it.

        At length.
        """
        return "made"

    assert getattr(register, decorator)(name="acme", aliases=["a2"])(make) is make
    for name in ("acme", "a2"):
        entry = registry().get(KINDS[decorator], name)
        assert entry.load() is make
        assert (entry.dist, entry.version, entry.summary) == (__name__, "", "Makes it.")


@pytest.mark.parametrize("parentheses", [True, False])
def test_the_name_is_that_of_the_function(parentheses: bool) -> None:
    def acme_tracker(config: str | None) -> str:
        return "made"

    decorated = register.tracker()(acme_tracker) if parentheses else register.tracker(acme_tracker)  # type: ignore[arg-type]  # both forms work
    assert decorated is acme_tracker
    assert registry().load("trackers", "acme_tracker") is acme_tracker


def test_a_registered_component_is_a_single_function() -> None:
    @register.component(name="acme.train", summary="trains")
    def train() -> None: ...

    entry = registry().get("components", "acme.train")
    assert isinstance(entry.descriptor, ComponentsPlugin)
    assert entry.descriptor.is_function
    assert entry.summary == "trains"


def test_what_is_registered_later_is_there_at_once(site: Site) -> None:
    manager = site.manager()
    assert "late" not in manager.trackers()
    register.tracker("late")(_host)
    assert "late" in manager.trackers()


def test_a_program_keeps_its_own_registrations_without_plugins(site: Site) -> None:
    register.tracker("own")(_host)
    plugins.reset_plugin_manager(disabled=["*"])
    assert "own" in registry().plugins("trackers")
    plugins.reset_plugin_manager(disabled=[__name__])
    assert "own" not in registry().plugins("trackers")


def test_registering_again_after_a_reload_replaces(site: Site) -> None:
    def define(result: str) -> None:
        @register.tracker("acme")
        def create(config: str | None) -> str:
            return result

    define("old")
    define("new")
    create = registry().load("trackers", "acme")
    assert callable(create)
    assert create(None) == "new"


def test_a_name_is_registered_once_in_a_module() -> None:
    def one() -> None: ...
    def two() -> None: ...

    register.tracker("acme")(one)
    with pytest.raises(RegistrationError, match=r"registered twice .*one.* and by .*two"):
        register.tracker("acme")(two)


def test_two_modules_with_one_name_are_duplicates(site: Site) -> None:
    site.scheduler("acme-torchx", "acme")
    register.scheduler("acme")(_host)
    with pytest.raises(DuplicatePluginError, match="acme-torchx"):
        site.manager().get("schedulers", "acme")


@pytest.mark.parametrize("name", ["", " ", "a b", "a:b", "a/b", "a,b", "a\n"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(RegistrationError, match="cannot be the name of a scheduler"):
        register.scheduler(name=name)(_host)


def test_a_lone_text_is_no_list_of_aliases() -> None:
    with pytest.raises(RegistrationError, match="must be a list of names"):
        register.scheduler(name="a", aliases="bc")(_host)


def test_only_what_can_be_called_is_registered() -> None:
    with pytest.raises(RegistrationError, match="not 5"):
        register.scheduler(name="a")(5)  # type: ignore[type-var]  # the mistake that is tested


def test_a_named_resource_is_found_by_name_and_alias() -> None:
    register.named_resource(name="acme.big", aliases=["acme.b"])(_host)
    for name in ("acme.big", "acme.b"):
        made = resource(h=name)
        assert (made.cpu, made.gpu, made.memMB) == (64, 8, 65536)
        assert made.get_resource_name() == "acme.big"
        assert not made.is_fractional()
    assert "acme.big" in named_resources


def test_the_decorated_function_still_makes_untagged_resources() -> None:
    register.named_resource(name="acme.big", fractionals=powers_of_two_gpus)(_host)
    assert resource(h="acme.big_4").tags
    assert _host(0.5).tags == {}


@pytest.mark.parametrize(
    ("suffix", "fraction"),
    [("1", plugins.EIGHTH), ("2", plugins.QUARTER), ("4", plugins.HALF), ("8", plugins.WHOLE)],
)
@pytest.mark.parametrize("base", ["foo", "bar"])
def test_fractions_by_gpu(base: str, suffix: str, fraction: float) -> None:
    @register.named_resource(aliases=["bar"], fractionals=powers_of_two_gpus)
    def foo(fractional: float = 1.0) -> Resource:
        return _host(fractional)

    made = resource(h=f"{base}_{suffix}")
    assert (made.gpu, made.cpu, made.memMB) == (int(suffix), 64 * fraction, 65536 * fraction)
    assert made.is_fractional()
    assert made.get_resource_name() == f"foo_{suffix}"
    assert made.tags[resource_tags.FRACTION] == fraction
    assert not resource(h=base).is_fractional()


def test_no_other_fractions_are_registered() -> None:
    register.named_resource(name="foo", fractionals=powers_of_two_gpus)(_host)
    found = {name for name in registry().plugins("named_resources") if name.startswith("foo")}
    assert found == {"foo", "foo_1", "foo_2", "foo_4", "foo_8"}


@pytest.mark.parametrize(
    ("limit", "suffixes"),
    [
        (65536, ["64"]),
        (16384, ["64", "32", "16"]),
        (10000, ["64", "32", "16"]),
        (512, ["64", "32", "16", "8", "4", "2", "1", "512mb"]),
        (100000, []),
    ],
)
def test_fractions_by_memory(limit: int, suffixes: list[str]) -> None:
    register.named_resource(name="foo", fractionals=halve_mem_down_to(limit))(_host)
    found = {name for name in registry().plugins("named_resources") if name.startswith("foo")}
    assert found == {"foo", *(f"foo_{suffix}" for suffix in suffixes)}
    for fraction, suffix in zip((1.0, 0.5, 0.25), suffixes, strict=False):
        assert resource(h=f"foo_{suffix}").memMB == 65536 * fraction


@pytest.mark.parametrize(("gpus", "parts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])])
def test_powers_of_two(gpus: int, parts: list[int]) -> None:
    found = powers_of_two_gpus(Resource(cpu=1, gpu=gpus, memMB=1))
    assert found == {str(part): part / gpus for part in parts}


def test_a_host_without_gpus_has_no_gpu_fractions(site: Site) -> None:
    register.named_resource(name="foo", fractionals=powers_of_two_gpus)(lambda fractional=1.0: _host(0))
    assert "gpu.small" in named_resources
    failed = [record for record in site.manager().distributions() if record.status == "failed"]
    assert [record.dist for record in failed] == [__name__]
    assert "needs a resource with GPUs" in failed[0].error


def test_fractions_need_a_function_that_takes_them() -> None:
    with pytest.raises(RegistrationError, match="takes no argument `fractional`"):
        register.named_resource(name="foo", fractionals=powers_of_two_gpus)(lambda: _host())


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_memory_is_positive(limit: int) -> None:
    with pytest.raises(RegistrationError, match="positive"):
        halve_mem_down_to(limit)


def test_the_tags_are_those_of_the_specs() -> None:
    assert (resource_tags.RESOURCE_NAME, resource_tags.FRACTION) == (TAG_NAME, TAG_FRACTION)


def test_the_fractions_are_the_documented_ones() -> None:
    named = (plugins.WHOLE, plugins.HALF, plugins.QUARTER, plugins.EIGHTH, plugins.SIXTEENTH)
    assert named == (1.0, 0.5, 0.25, 0.125, 0.0625)


def test_the_registry_is_a_view_of_all_plugins() -> None:
    view = registry()
    count = len(view)
    register.tracker("acme")(_host)
    assert len(view) == count + 1
    assert (PluginType.TRACKER, "acme") in view
    assert ("schedulers", "local_cwd") in view
    assert ("schedulers", "acme") not in view
    assert {"local_cwd", "dir", "acme"} <= {entry.name for entry in view}
    assert "trackers" in repr(view)
    with pytest.raises(UnknownPluginError):
        view.load("trackers", "acm")


NAMESPACE_MODULE = """
    from torchx.plugins import register

    @register.{decorator}(name="{name}")
    def create(*args, **kwargs):
        return "{name}"
"""


def _module(decorator: str, name: str) -> str:
    return NAMESPACE_MODULE.format(decorator=decorator, name=name)


def test_modules_of_the_namespace_are_found_at_any_depth(site: Site) -> None:
    site.write("torchx_plugins/top.py", _module("scheduler", "top"))
    site.write("torchx_plugins/acme/__init__.py", _module("scheduler", "package"))
    site.write("torchx_plugins/acme/deep/er.py", _module("scheduler", "deep"))
    site.write("torchx_plugins/_private.py", "raise ValueError('private')")
    site.write("torchx_plugins/not-a-module.py", "raise ValueError('no module')")
    schedulers = site.manager().schedulers()
    assert {"local_cwd", "top", "package", "deep"} <= set(schedulers)
    assert schedulers["deep"].dist == "torchx_plugins.acme.deep.er"
    sources = {record.dist: record.source for record in site.manager().distributions()}
    assert sources["torchx_plugins.top"] == "namespace"
    assert "torchx_plugins" not in sources


def test_two_folders_of_the_path_share_the_namespace(
    site: Site, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("torchx_plugins/schedulers/one.py", _module("scheduler", "one"))
    second = type(site)(site.folder / "second")
    second.write("torchx_plugins/schedulers/two.py", _module("scheduler", "two"))
    monkeypatch.syspath_prepend(str(second.folder))
    assert {"one", "two"} <= set(site.manager().schedulers())


def test_a_sub_package_called_like_a_kind_waits_for_its_kind(site: Site) -> None:
    site.write("torchx_plugins/trackers/slow.py", _module("tracker", "slow"))
    site.write("torchx_plugins/commands/tool.py", _module("cli_cmd", "tool"))
    manager = site.manager()
    manager.schedulers()
    assert "torchx_plugins.trackers.slow" not in sys.modules
    assert "slow" in manager.trackers()
    assert "torchx_plugins.commands.tool" not in sys.modules
    assert "tool" in manager.cli_commands()


def test_a_module_that_fails_half_way_adds_nothing(site: Site) -> None:
    site.write(
        "torchx_plugins/bad.py",
        _module("scheduler", "half") + "\n    raise ValueError('boom')\n",
    )
    site.write("torchx_plugins/good.py", _module("scheduler", "good"))
    manager = site.manager()
    assert "good" in manager.schedulers()
    assert "half" not in manager.schedulers()
    record = next(record for record in manager.distributions() if record.dist == "torchx_plugins.bad")
    assert (record.status, record.error) == ("failed", "import of `torchx_plugins.bad`: ValueError: boom")


def test_a_package_that_takes_the_place_of_the_namespace_is_contained(site: Site) -> None:
    site.write("torchx_plugins/__init__.py", "raise ValueError('boom')")
    manager = site.manager()
    assert "local_cwd" in manager.schedulers()
    record = next(record for record in manager.distributions() if record.dist == "torchx_plugins")
    assert record.error == "import of `torchx_plugins`: ValueError: boom"


def test_names_of_two_modules_are_settled_by_the_module(site: Site) -> None:
    site.write("torchx_plugins/one.py", _module("scheduler", "acme"))
    site.write("torchx_plugins/two.py", _module("scheduler", "acme"))
    with pytest.raises(DuplicatePluginError) as caught:
        site.manager().get("schedulers", "acme")
    assert caught.value.providers == ("torchx_plugins.one", "torchx_plugins.two")
    (site.folder.parent / "work" / ".torchxconfig").write_text("[plugins]\nacme = torchx_plugins.two\n")
    assert site.manager().get("schedulers", "acme").dist == "torchx_plugins.two"
