"""Sections of any prefix, merged over the files, and the trackers they name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from torchx.cli.cmd_run import CONFIG_KEYS, CmdRun
from torchx.cli.configured import check_configured_keys
from torchx.runner import config

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """
[component:dist.ddp]
j = 2x4
image = project

[cli:run]
scheduler = slurm
"""
HOME = """
[component:dist.ddp]
image = home
gpu = 8

[component:utils.echo]
msg = hello
"""


@pytest.fixture
def files(project: Path, home: Path) -> None:
    (project / ".torchxconfig").write_text(PROJECT)
    (home / ".torchxconfig").write_text(HOME)


@pytest.mark.usefixtures("files")
def test_sections_are_merged_key_by_key() -> None:
    assert config.load_sections("component") == {
        "dist.ddp": {"j": "2x4", "image": "project", "gpu": "8"},
        "utils.echo": {"msg": "hello"},
    }


@pytest.mark.usefixtures("files")
def test_an_earlier_folder_wins_over_a_later_one(project: Path, home: Path) -> None:
    found = config.load_sections("component", dirs=[str(home), str(project)])
    assert found["dist.ddp"] == {"j": "2x4", "image": "home", "gpu": "8"}
    assert config.load_sections("component", dirs=[str(project)]) == {"dist.ddp": {"j": "2x4", "image": "project"}}
    assert config.load_sections("component", dirs=[]) == {}


@pytest.mark.usefixtures("files")
def test_one_section_and_one_value() -> None:
    assert config.get_configs("cli", "run") == {"scheduler": "slurm"}
    assert config.get_configs("cli", "list") == {}
    assert config.get_config("cli", "run", "scheduler") == "slurm"
    assert config.get_config("cli", "run", "workspace") is None
    assert config.get_config("cli", "nothing", "workspace") is None


def test_toml_values_are_given_as_text(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        "[tool.torchx.cli.run]\nwait = true\nscheduler_args = {a = 1, b = 'x'}\nroles = ['a', 'b']\n"
    )
    assert config.get_configs("cli", "run") == {"wait": "True", "scheduler_args": "a=1,b=x", "roles": "a,b"}


@pytest.mark.parametrize("value", ["{A = 'b,c=d'}", "{A = '', 'B,C' = 'x'}", "['a,b']"])
def test_a_value_that_would_become_another_is_refused_with_its_line(project: Path, value: str) -> None:
    (project / "pyproject.toml").write_text(f'[tool.torchx.component."utils.sh"]\nnum_replicas = 2\nenv = {value}\n')
    with pytest.raises(config.ConfigError, match=r"pyproject.toml:3: a value of `env` cannot be told"):
        config.load_sections("component")


@pytest.mark.parametrize(
    ("value", "text"),
    [("{A = 'b,c', B = 'x y=z'}", "A=b,c,B=x y=z"), ("['a=b', 'c']", "a=b,c"), ("{}", ""), ("[]", "")],
)
def test_lists_and_tables_for_components(project: Path, value: str, text: str) -> None:
    (project / "pyproject.toml").write_text(f'[tool.torchx.component."utils.sh"]\nenv = {value}\n')
    assert config.get_config("component", "utils.sh", "env") == text


@pytest.mark.parametrize("line", ["schduler = far", "tee-log = true", "dryrun = perhaps"])
def test_a_mistake_in_the_flags_of_a_command_is_told_with_its_line(project: Path, line: str) -> None:
    (project / ".torchxconfig").write_text(f"[cli:run]\nscheduler = local_cwd\n{line}\n")
    with pytest.raises(config.ConfigError, match=r"\.torchxconfig:3: "):
        CmdRun().add_arguments(argparse.ArgumentParser())
        check_configured_keys("run", CONFIG_KEYS)


@pytest.mark.usefixtures("files")
def test_find_configs_looks_into_the_default_folders(project: Path, home: Path) -> None:
    assert [str(project), str(home)] == config.DEFAULT_CONFIG_DIRS
    assert config.find_configs() == [str(project / ".torchxconfig"), str(home / ".torchxconfig")]
    assert config.find_configs([str(home)]) == [str(home / ".torchxconfig")]


@pytest.mark.usefixtures("files")
def test_the_default_folders_can_be_replaced(home: Path) -> None:
    with patch("torchx.runner.config.DEFAULT_CONFIG_DIRS", [str(home)]):
        assert config.find_configs() == [str(home / ".torchxconfig")]
    assert len(config.find_configs()) == 2


def test_an_unknown_name_of_the_module_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NOTHING"):
        config.NOTHING


def test_trackers_with_and_without_configuration(project: Path) -> None:
    (project / ".torchxconfig").write_text(
        "[torchx:tracker]\nplain\nempty =\ninline = /a\nsection =\nboth = /b\n"
        "[tracker:section]\nconfig = /c\n[tracker:both]\nconfig = /d\n[tracker:unused]\nconfig = /e\n"
    )
    assert config.configured_trackers() == {
        "plain": None,
        "empty": None,
        "inline": "/a",
        "section": "/c",
        "both": "/d",
    }


def test_the_environment_names_other_trackers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".torchxconfig").write_text("[torchx:tracker]\nmine = /a\n[tracker:fsspec]\nconfig = /b\n")
    monkeypatch.setenv("TORCHX_TRACKERS", "fsspec, other")
    assert config.configured_trackers() == {"fsspec": "/b", "other": None}
    monkeypatch.setenv("TORCHX_TRACKER_FSSPEC_CONFIG", "/c")
    assert config.configured_trackers()["fsspec"] == "/c"
    monkeypatch.setenv("TORCHX_TRACKERS", "")
    assert config.configured_trackers() == {}


@pytest.mark.usefixtures("project")
def test_without_configuration_there_are_no_trackers() -> None:
    assert config.configured_trackers() == {}
