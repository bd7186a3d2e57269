"""Distributions that work and such that do not, each seen through the manager."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from torchx.errors import TorchXError, UsageError
from torchx.plugins import PluginLoadError, PluginType, UnknownPluginError, hookspecs
from torchx.plugins._markers import LIFECYCLE_HOOKS

if TYPE_CHECKING:
    from tests.core.plugins.conftest import Site
    from torchx.plugins import PluginDistribution, PluginManager

BROKEN_HOOK = """
    from torchx.plugins import hookimpl, TrackerPlugin

    @hookimpl
    def torchx_schedulers():
        raise RuntimeError("no licence")

    @hookimpl
    def torchx_trackers():
        return [TrackerPlugin(name="still-here", factory="nowhere:create")]
"""


def _record(manager: PluginManager, dist: str) -> PluginDistribution:
    return next(record for record in manager.distributions() if record.dist == dist)


def test_a_plugin_is_listed_with_its_distribution_and_loaded_on_demand(site: Site) -> None:
    site.scheduler("acme-torchx", "acme", "2.3")
    entry = site.manager().schedulers()["acme"]
    assert (entry.name, entry.dist, entry.version, entry.summary) == ("acme", "acme-torchx", "2.3", "from acme-torchx")
    assert not entry.is_builtin
    assert "acme_torchx_code" not in sys.modules
    factory = entry.load()
    assert callable(factory)
    assert factory("session", x=1) == ("acme-torchx", "session", {"x": 1})
    assert entry.load() is factory


def test_plugins_add_to_the_builtins_and_hide_none(site: Site) -> None:
    before = list(site.manager().schedulers())
    site.scheduler("acme-torchx", "acme")
    after = list(site.manager().schedulers())
    assert [name for name in after if name != "acme"] == before
    assert set(after) == {*before, "acme"}
    assert after[0] == "local_cwd"


def test_a_record_tells_hooks_names_and_status(site: Site) -> None:
    site.scheduler("acme-torchx", "acme", "2.3")
    record = _record(site.manager(), "acme-torchx")
    assert record.version == "2.3"
    assert record.source == "distribution"
    assert record.location == str(site.folder)
    assert record.hooks == ("torchx_schedulers",)
    assert record.names == {"schedulers": ("acme",)}
    assert (record.status, record.error) == ("ok", "")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        pytest.param("import not_installed_anywhere", "ModuleNotFoundError: No module named", id="missing module"),
        pytest.param("raise ValueError('boom\\nsecond line')", "ValueError: boom second line", id="raises"),
        pytest.param("def (", "SyntaxError", id="syntax error"),
        pytest.param("raise SystemExit(3)", "SystemExit: 3", id="exits"),
    ],
)
def test_a_plugin_that_fails_at_import_is_recorded_and_stops_no_other(site: Site, source: str, told: str) -> None:
    site.plugin("bad", source, "0.9")
    site.scheduler("good", "acme")
    manager = site.manager()
    assert "acme" in manager.schedulers()
    assert "run" in manager.cli_commands()
    record = _record(manager, "bad")
    assert (record.version, record.status, record.names) == ("0.9", "failed", {})
    assert told in record.error
    assert "\n" not in record.error


def test_asking_for_what_a_broken_plugin_may_provide_gives_its_cause_and_the_fix(site: Site) -> None:
    site.plugin("bad", "raise ValueError('boom')", "0.9")
    with pytest.raises(PluginLoadError, match=r"bad 0\.9.*ValueError: boom") as caught:
        site.manager().get("schedulers", "zzz")
    assert (caught.value.dist, caught.value.version) == ("bad", "0.9")
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.hint is not None
    assert "TORCHX_DISABLE_PLUGINS=bad" in caught.value.hint


def test_all_broken_plugins_that_may_provide_a_name_are_told(site: Site) -> None:
    site.plugin("bad", "raise ValueError('boom')", "0.9")
    site.plugin("worse", "raise OSError('no disk')", "1.1")
    site.plugin("elsewhere", BROKEN_HOOK.replace("torchx_schedulers", "torchx_workspaces"))
    with pytest.raises(PluginLoadError) as caught:
        site.manager().get("schedulers", "zzz")
    assert caught.value.message == (
        "there is no scheduler `zzz` among the plugins that work; "
        "plugin `bad 0.9` does not work: import of `bad_plugin`: ValueError: boom; "
        "plugin `worse 1.1` does not work: import of `worse_plugin`: OSError: no disk"
    )
    assert caught.value.hint == "upgrade, repair or remove them; TORCHX_DISABLE_PLUGINS=bad,worse switches them off"
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("name", ["we ird", "a\tb", " ", "a/b", "a:b", "a,b"])
@pytest.mark.parametrize(
    ("kind", "descriptor", "argument"),
    [
        ("schedulers", "SchedulerPlugin", "factory"),
        ("cli_commands", "CommandPlugin", "command"),
        ("named_resources", "NamedResourcePlugin", "factory"),
        ("components", "ComponentsPlugin", "module"),
    ],
)
def test_a_name_that_nobody_can_type_is_refused_and_hides_no_other(
    site: Site, kind: str, descriptor: str, argument: str, name: str
) -> None:
    site.plugin(
        "odd",
        f"""
        from torchx.plugins import hookimpl, {descriptor}

        @hookimpl
        def torchx_{kind}():
            return [{descriptor}(name=name, {argument}="nowhere:create") for name in ({name!r}, "good")]
        """,
    )
    manager = site.manager()
    assert "good" in manager.entries(kind)
    assert name not in manager.entries(kind)
    assert f"{name!r} cannot be the name of a" in _record(manager, "odd").error


def test_the_label_of_a_table_of_named_resources_is_free(site: Site) -> None:
    site.plugin(
        "acme",
        """
        from torchx.plugins import NamedResourcePlugin, hookimpl

        @hookimpl
        def torchx_named_resources():
            return [NamedResourcePlugin(name="ACME: all machines", table="acme_table:TABLE")]
        """,
        acme_table="TABLE = {'big': lambda: None}",
    )
    assert "big" in site.manager().named_resources()


def test_a_misspelt_name_is_told_as_such_although_a_plugin_is_broken(site: Site) -> None:
    site.plugin("bad", "raise ValueError('boom')")
    with pytest.raises(UnknownPluginError) as caught:
        site.manager().get("schedulers", "local_cdw")
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("did you mean `local_cwd`")  # other installed backends may be near, too


def test_a_hook_that_raises_loses_its_own_kind_alone(site: Site) -> None:
    site.plugin("bad", BROKEN_HOOK)
    manager = site.manager()
    assert "local_cwd" in manager.schedulers()
    assert "still-here" in manager.trackers()
    assert _record(manager, "bad").error == "hook `torchx_schedulers`: RuntimeError: no licence"
    with pytest.raises(PluginLoadError, match="no licence"):
        manager.get("schedulers", "zzz")
    with pytest.raises(UnknownPluginError):
        manager.get("trackers", "zzz")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        pytest.param("raise OSError('no disk')", OSError, id="module raises"),
        pytest.param("", AttributeError, id="no such attribute"),
        pytest.param("import not_installed_anywhere", ModuleNotFoundError, id="missing client"),
    ],
)
def test_a_plugin_that_fails_at_load_says_so_to_the_one_who_asks(site: Site, code: str, cause: type[Exception]) -> None:
    site.scheduler("bad", "acme", "0.9")
    site.write("bad_code.py", code)
    manager = site.manager()
    entry = manager.get("schedulers", "acme")
    assert _record(manager, "bad").status == "ok"
    with pytest.raises(PluginLoadError, match=r"plugin `bad 0\.9` does not work: scheduler `acme`") as caught:
        entry.load()
    assert isinstance(caught.value.__cause__, cause)
    assert _record(manager, "bad").status == "failed"
    assert manager.get("schedulers", "local_cwd").dist == "torchx-core"


@pytest.mark.parametrize(("version", "fix"), [(2, "upgrade torchx-core"), (0, "upgrade the plugin")])
def test_another_api_version_is_refused_by_name(site: Site, version: int, fix: str) -> None:
    site.plugin(
        "bad",
        f"""
        from torchx.plugins import SchedulerPlugin, hookimpl

        @hookimpl
        def torchx_schedulers():
            return [
                SchedulerPlugin(name="acme", factory="x:y", api_version={version}),
                SchedulerPlugin(name="fine", factory="x:y"),
            ]
        """,
    )
    manager = site.manager()
    assert "acme" not in manager.schedulers()
    assert "fine" in manager.schedulers()
    with pytest.raises(PluginLoadError, match=f"plugin API {version}") as caught:
        manager.get("schedulers", "acme")
    assert caught.value.hint is not None
    assert fix in caught.value.hint


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param("return 5", "TypeError", id="not iterable"),
        pytest.param("return ['acme']", "'acme' where a SchedulerPlugin is expected", id="not a descriptor"),
        pytest.param("return [TrackerPlugin(name='a', factory='b:c')]", "where a SchedulerPlugin", id="another kind"),
        pytest.param("return [SchedulerPlugin(name='', factory='b:c')]", "has no name", id="no name"),
        pytest.param("return [SchedulerPlugin(name='a', factory='')]", "needs a name and a target", id="no target"),
        pytest.param("return [SchedulerPlugin(name='a')]", "missing 1 required keyword-only argument", id="no factory"),
        pytest.param(
            "return [SchedulerPlugin(name='a', factory='b', c=1)]",
            "unexpected keyword argument 'c'",
            id="unknown field",
        ),
    ],
)
def test_a_hook_with_a_wrong_result_is_recorded(site: Site, body: str, told: str) -> None:
    source = f"""
        from torchx.plugins import SchedulerPlugin, TrackerPlugin, hookimpl

        @hookimpl
        def torchx_schedulers():
            {body}
        """
    site.plugin("bad", source)
    manager = site.manager()
    assert "local_cwd" in manager.schedulers()
    record = _record(manager, "bad")
    assert record.status == "failed"
    assert told in record.error


def test_a_hook_that_returns_none_adds_nothing(site: Site) -> None:
    source = "from torchx.plugins import hookimpl\n@hookimpl\ndef torchx_schedulers(): pass\n"
    site.plugin("quiet", source)
    assert _record(site.manager(), "quiet").status == "ok"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        pytest.param(
            "@hookimpl\ndef torchx_scheduler(): ...", "hook `torchx_scheduler`: there is no such hook", id="typo"
        ),
        pytest.param("def torchx_trackers(): ...", "not marked with @hookimpl", id="unmarked"),
    ],
)
def test_a_hook_that_would_never_be_called_is_recorded(site: Site, source: str, told: str) -> None:
    site.plugin("bad", f"from torchx.plugins import hookimpl\n{source}\n")
    record = _record(site.manager(), "bad")
    assert record.status == "failed"
    assert told in record.error


def test_the_specifications_are_the_hooks_that_are_called() -> None:
    specified = {name for name in vars(hookspecs) if name.startswith("torchx_")}
    assert specified == {*LIFECYCLE_HOOKS, *(kind.hook for kind in PluginType)}
    assert all(getattr(hookspecs, name).__doc__ for name in specified)


@pytest.mark.parametrize("kind", list(PluginType), ids=lambda kind: kind.value)
def test_each_kind_has_a_method_of_its_name(site: Site, kind: PluginType) -> None:
    manager = site.manager()
    assert getattr(manager, kind.value)() is manager.entries(kind)
    assert manager.entries(kind.value) is manager.entries(kind)


def test_an_unknown_name_is_a_usage_error_and_a_key_error(site: Site) -> None:
    with pytest.raises(UnknownPluginError) as caught:
        site.manager().get(PluginType.NAMED_RESOURCE, "gpu.smal")
    error = caught.value
    assert isinstance(error, UsageError)
    assert isinstance(error, KeyError)
    assert str(error) == "there is no named resource `gpu.smal`"
    assert error.hint is not None
    assert "`gpu.small`" in error.hint
    assert "aws_p3.2xlarge" in error.known


@pytest.mark.parametrize(
    ("name", "hint"),
    [("slurm", "pip install torchx-slurm"), ("kubernetes", "`torchx-k8s` is planned and has no backend yet; ")],
)
def test_a_backend_of_ours_that_is_not_installed_names_its_distribution(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setattr(sys, "path", [str(site.folder)])
    with pytest.raises(UnknownPluginError) as caught:
        site.manager().get("schedulers", name)
    assert (caught.value.hint or "").startswith(hint)


def test_a_backend_of_ours_that_is_broken_is_told_whatever_the_name_is_near_to(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(site.folder), *sys.path])
    site.scheduler("near", "slurmy")
    site.plugin("torchx-slurm", "raise ValueError('boom')", "9.9")
    with pytest.raises(PluginLoadError, match=r"torchx-slurm 9\.9"):
        site.manager().get("schedulers", "slurm")


def test_a_table_of_named_resources_that_fails_hides_no_other(site: Site) -> None:
    site.plugin(
        "bad",
        """
        from torchx.plugins import NamedResourcePlugin, hookimpl

        @hookimpl
        def torchx_named_resources():
            return [
                NamedResourcePlugin(name="gone", table="nowhere:TABLE"),
                NamedResourcePlugin(name="no table", table="bad_code:NUMBER"),
                NamedResourcePlugin(name="t", table="bad_code:TABLE"),
                NamedResourcePlugin(name="one", factory="bad_code:one"),
            ]
        """,
        bad_code="NUMBER = 1\ndef one(): return 'one'\nTABLE = {'t1': lambda: 't1'}\n",
    )
    manager = site.manager()
    assert {"gpu.small", "t1", "one"} <= set(manager.named_resources())
    assert not {"gone", "no table", "t"} & set(manager.named_resources())
    made = [manager.get("named_resources", name).load() for name in ("t1", "one")]
    assert [factory() for factory in made if callable(factory)] == ["t1", "one"]
    error = _record(manager, "bad").error
    assert "nowhere" in error
    assert "it is a int, not a mapping" in error


def test_all_threads_get_one_table_and_each_plugin_is_imported_once(site: Site) -> None:
    site.scheduler("acme-torchx", "acme")
    site.write("acme_counter.py", "imports = []\n")
    module = site.folder / "acme_torchx_plugin.py"
    module.write_text(module.read_text() + "\nimport acme_counter\nacme_counter.imports.append(1)\n")
    manager = site.manager()
    barrier = threading.Barrier(8)
    tables: list[object] = []

    def ask() -> None:
        barrier.wait()
        tables.append(manager.schedulers())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tables) == 8
    assert all(table is tables[0] for table in tables)
    assert sys.modules["acme_counter"].imports == [1]


def test_a_plugin_that_asks_for_plugins_while_it_is_imported_does_not_recurse(site: Site) -> None:
    site.scheduler("acme-torchx", "acme")
    module = site.folder / "acme_torchx_plugin.py"
    module.write_text(
        "from torchx.plugins import get_plugin_manager\nSEEN = list(get_plugin_manager().trackers())\n"
        + module.read_text().replace("\n            ", "\n")
    )
    manager = site.manager()
    assert "acme" in manager.schedulers()
    assert list(manager.trackers()) == sys.modules["acme_torchx_plugin"].SEEN


def test_every_error_of_ours_has_the_common_root() -> None:
    from torchx.plugins import errors

    own = [value for value in vars(errors).values() if isinstance(value, type) and value.__module__ == errors.__name__]
    assert len(own) == 5
    assert all(issubclass(error, TorchXError) for error in own)
