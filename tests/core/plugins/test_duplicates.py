"""Two plugins of one name: both are listed, neither serves it until a setting says which one does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchx.errors import TorchXError, UsageError
from torchx.plugins import DuplicatePluginError

if TYPE_CHECKING:
    from tests.core.plugins.conftest import Site
    from torchx.plugins import PluginManager


@pytest.fixture
def rivals(site: Site) -> Site:
    site.scheduler("first", "acme", "1.5")
    site.scheduler("Second.Dist", "acme", "2.5")
    site.scheduler("third", "other")
    return site


def _served_by(manager: PluginManager, name: str) -> object:
    factory = manager.get("schedulers", name).load()
    assert callable(factory)
    return factory("session")[0]


def test_both_are_listed_and_the_name_is_refused(rivals: Site) -> None:
    manager = rivals.manager()
    entry = manager.schedulers()["acme"]
    assert [rival.dist for rival in entry.rivals] == ["first", "second-dist"]
    claims = {record.dist for record in manager.distributions() if "acme" in record.names.get("schedulers", ())}
    assert claims == {"first", "second-dist"}
    for ask in (lambda: manager.get("schedulers", "acme"), entry.load):
        with pytest.raises(DuplicatePluginError, match=r"`first 1\.5`.*`second-dist 2\.5`") as caught:
            ask()
        assert caught.value.providers == ("first", "second-dist")
        assert isinstance(caught.value, UsageError)
        assert caught.value.hint is not None
        assert "[plugins] acme = first" in caught.value.hint


def test_other_names_are_not_affected(rivals: Site) -> None:
    assert _served_by(rivals.manager(), "other") == "third"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("acme = second-dist", id="name"),
        pytest.param("acme = Second.Dist", id="spelling of the distribution"),
        pytest.param("schedulers.acme = second_dist", id="kind and name"),
        pytest.param("acme = first\nschedulers.acme = second-dist", id="kind and name win over name"),
    ],
)
def test_a_setting_says_which_one_serves_it(rivals: Site, line: str) -> None:
    Path(".torchxconfig").write_text(f"[plugins]\n{line}\n")
    assert _served_by(rivals.manager(), "acme") == "Second.Dist"


def test_the_home_folder_decides_where_the_current_one_says_nothing(rivals: Site, tmp_path: Path) -> None:
    Path(".torchxconfig").write_text("[local_cwd]\nlog_dir = x\n")
    (tmp_path / ".torchxconfig").write_text("[plugins]\nacme = first\n")
    assert _served_by(rivals.manager(), "acme") == "first"


@pytest.mark.parametrize("line", ["acme = third", "acme = ", "trackers.acme = first"])
def test_a_setting_that_fits_nobody_decides_nothing(rivals: Site, line: str) -> None:
    Path(".torchxconfig").write_text(f"[plugins]\n{line}\n")
    with pytest.raises(DuplicatePluginError):
        rivals.manager().get("schedulers", "acme")


def test_a_malformed_configuration_is_told_with_file_and_line(rivals: Site) -> None:
    Path(".torchxconfig").write_text("[plugins]\nacme = first\nacme = second-dist\n")
    with pytest.raises(UsageError, match=r"\.torchxconfig:3: `acme` is there twice"):
        rivals.manager().get("schedulers", "acme")


def test_a_builtin_can_be_contested_and_is_kept_by_the_same_setting(site: Site) -> None:
    site.scheduler("rude", "local_cwd")
    with pytest.raises(DuplicatePluginError, match="torchx-core"):
        site.manager().get("schedulers", "local_cwd")
    Path(".torchxconfig").write_text("[plugins]\nlocal_cwd = torchx-core\n")
    assert site.manager().get("schedulers", "local_cwd").is_builtin


def test_switching_one_off_settles_it(rivals: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_DISABLE_PLUGINS", "first")
    assert _served_by(rivals.manager(), "acme") == "Second.Dist"


def test_a_distribution_may_say_the_same_by_hook_and_by_entry_point(site: Site) -> None:
    site.scheduler("twice", "acme")
    site.dist(
        "twice",
        groups={"torchx.plugins": {"twice": "twice_plugin"}, "torchx.schedulers": {"acme": "twice_code:create"}},
    )
    assert _served_by(site.manager(), "acme") == "twice"


def test_a_distribution_that_contradicts_itself_is_refused(site: Site) -> None:
    site.scheduler("twice", "acme")
    site.dist(
        "twice",
        groups={"torchx.plugins": {"twice": "twice_plugin"}, "torchx.schedulers": {"acme": "twice_code:other"}},
    )
    with pytest.raises(DuplicatePluginError) as caught:
        site.manager().get("schedulers", "acme")
    assert caught.value.hint is not None
    assert "`twice` describes the name twice" in caught.value.hint


def test_nothing_is_read_where_nothing_is_contested(site: Site) -> None:
    Path(".torchxconfig").write_text("this is no configuration file")
    site.scheduler("first", "acme")
    assert "acme" in site.manager().schedulers()


@pytest.mark.parametrize("setting", ["malformed", "missing"])
def test_settings_that_cannot_be_read_concern_contested_names_alone(
    rivals: Site, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    if setting == "malformed":
        Path(".torchxconfig").write_text("this is no configuration file")
    else:
        monkeypatch.setenv("TORCHXCONFIG", "nowhere")
    manager = rivals.manager()
    assert _served_by(manager, "other") == "third"
    with pytest.raises(TorchXError, match=r"torchxconfig:1" if setting == "malformed" else "nowhere"):
        manager.get("schedulers", "acme")
