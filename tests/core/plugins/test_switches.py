"""What keeps plugins out, before any of their code is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchx.errors import UsageError
from torchx.plugins import UnknownPluginError, get_plugin_manager, reset_plugin_manager

if TYPE_CHECKING:
    from tests.core.plugins.conftest import Site

CANARY = "raise SystemExit('the plugin was imported')"


@pytest.fixture
def canaries(site: Site) -> Site:
    """Plugins of every source, each of which fails loudly when it is imported."""
    site.plugin("Acme_Torchx", CANARY)
    site.plugin("other", CANARY)
    site.write("torchx_plugins/acme/deep.py", CANARY)
    site.write("torchx_plugins/schedulers/fast.py", CANARY)
    return site


def _status(site: Site) -> dict[str, str]:
    return {
        record.dist: record.status
        for record in site.manager().distributions()
        if record.source in ("distribution", "namespace") and not record.dist.startswith("torchx-")
    }


FAILED = {
    "acme-torchx": "failed",
    "other": "failed",
    "torchx_plugins.acme.deep": "failed",
    "torchx_plugins.schedulers.fast": "failed",
}


@pytest.mark.parametrize(
    ("value", "off"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("acme-torchx", ["acme-torchx"], id="one"),
        pytest.param(" ACME.torchx , other,", ["acme-torchx", "other"], id="several, other spelling"),
        pytest.param("torchx_plugins.acme", ["torchx_plugins.acme.deep"], id="namespace package"),
        pytest.param("torchx_plugins", ["torchx_plugins.acme.deep", "torchx_plugins.schedulers.fast"], id="namespace"),
        pytest.param("unknown", [], id="unknown"),
    ],
)
def test_named_plugins_are_not_imported(
    canaries: Site, monkeypatch: pytest.MonkeyPatch, value: str, off: list[str]
) -> None:
    monkeypatch.setenv("TORCHX_DISABLE_PLUGINS", value)
    assert _status(canaries) == {name: "disabled" if name in off else status for name, status in FAILED.items()}


def test_a_star_leaves_the_builtins_alone(canaries: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_DISABLE_PLUGINS", "*")
    assert _status(canaries) == {"acme-torchx": "disabled", "other": "disabled"}
    assert list(canaries.manager().schedulers()) == ["local_cwd"]
    assert "run" in canaries.manager().cli_commands()


def test_the_process_can_switch_plugins_off_itself(canaries: Site) -> None:
    reset_plugin_manager(disabled=["*"])
    assert list(get_plugin_manager().schedulers()) == ["local_cwd"]
    reset_plugin_manager()
    assert any(record.status == "failed" for record in get_plugin_manager().distributions())


@pytest.mark.parametrize(
    ("value", "failed"),
    [
        pytest.param("", list(FAILED), id="empty"),
        pytest.param("all", list(FAILED), id="all"),
        pytest.param("none", [], id="none"),
        pytest.param("entry_points", ["acme-torchx", "other"], id="entry points"),
        pytest.param("namespace", ["torchx_plugins.acme.deep", "torchx_plugins.schedulers.fast"], id="namespace"),
        pytest.param("namespace, entry_points", list(FAILED), id="both"),
    ],
)
def test_sources_can_be_selected(
    canaries: Site, monkeypatch: pytest.MonkeyPatch, value: str, failed: list[str]
) -> None:
    monkeypatch.setenv("TORCHX_PLUGINS_SOURCE", value)
    assert _status(canaries) == dict.fromkeys(failed, "failed")
    assert "local_cwd" in canaries.manager().schedulers()


def test_an_unknown_source_is_a_usage_error(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_PLUGINS_SOURCE", "entry_point")
    with pytest.raises(UsageError, match="`entry_point`") as caught:
        site.manager()
    assert caught.value.hint is not None
    assert "entry_points" in caught.value.hint


def test_a_name_that_is_switched_off_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.dist("acme-torchx", groups={"torchx.schedulers": {"acme": "acme_code:create"}})
    monkeypatch.setenv("TORCHX_DISABLE_PLUGINS", "acme-torchx")
    with pytest.raises(UnknownPluginError) as caught:
        site.manager().get("schedulers", "acme")
    assert caught.value.hint is not None
    assert "`acme-torchx 1.0` is installed but switched off" in caught.value.hint


def test_nothing_of_a_disabled_plugin_is_imported_in_a_fresh_process(canaries: Site) -> None:
    printed = canaries.python(
        """
        import sys
        from torchx.plugins import get_plugin_manager

        get_plugin_manager().distributions()
        print([name for name in sys.modules if "acme" in name.lower() or name.startswith("other")])
        """,
        TORCHX_DISABLE_PLUGINS="*",
    )
    assert printed == "[]"
