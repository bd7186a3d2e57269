"""Options of schedulers: read from files, converted, and refused with file and line."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest

from torchx.runner import config
from torchx.runner._configfile import scheduler_opts
from torchx.util.configfile import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from torchx.specs import CfgVal

EVERY_TYPE = """
[acme]
queue = gpu
jobName = my = job
cores = 8
share = 1
quiet = true
tags = x;y
env = A:1;B:u:p
account = None
"""
CONVERTED: dict[str, CfgVal] = {
    "queue": "gpu",
    "job_name": "my = job",
    "cores": 8,
    "share": 1.0,
    "quiet": True,
    "tags": ["x", "y"],
    "env": {"A": "1", "B": "u:p"},
    "account": None,
}


def test_values_get_the_types_of_the_options(acme: str, project: Path) -> None:
    (project / ".torchxconfig").write_text(EVERY_TYPE)
    cfg: dict[str, CfgVal] = {}
    config.apply(acme, cfg)
    assert cfg == CONVERTED
    assert type(cfg["share"]) is float


def test_the_same_settings_from_a_pyproject(acme: str, project: Path) -> None:
    (project / "pyproject.toml").write_text(
        "[tool.torchx.acme]\nqueue = 'gpu'\njobName = 'my = job'\ncores = 8\nshare = 1\nquiet = true\n"
        "tags = ['x', 'y']\nenv = {A = '1', B = 'u:p'}\naccount = 'None'\n"
    )
    cfg: dict[str, CfgVal] = {}
    config.apply(acme, cfg)
    assert cfg == CONVERTED
    assert type(cfg["share"]) is float


def test_what_is_given_in_code_wins_in_any_spelling(acme: str, project: Path) -> None:
    (project / ".torchxconfig").write_text("[acme]\njob_name = file\nqueue = file\ncores = 8\n")
    cfg: dict[str, CfgVal] = {"jobName": "code", "queue": None}
    config.apply(acme, cfg)
    assert cfg == {"jobName": "code", "queue": None, "cores": 8}


def test_the_current_folder_wins_over_the_home_folder(acme: str, project: Path, home: Path) -> None:
    (project / ".torchxconfig").write_text("[acme]\nqueue = project\n")
    (home / ".torchxconfig").write_text("[acme]\nqueue = home\ncores = 2\n[other]\nx = y\n")
    cfg: dict[str, CfgVal] = {}
    config.apply(acme, cfg)
    assert cfg == {"queue": "project", "cores": 2}
    cfg = {}
    config.apply(acme, cfg, dirs=[str(home), str(project)])
    assert cfg == {"queue": "home", "cores": 2}


@pytest.mark.usefixtures("project")
def test_a_scheduler_without_a_section_is_not_even_looked_up() -> None:
    cfg: dict[str, CfgVal] = {"a": "b"}
    config.apply("not_installed", cfg)
    assert cfg == {"a": "b"}


def test_one_open_file(acme: str, project: Path) -> None:
    (project / "conf").write_text(EVERY_TYPE)
    cfg: dict[str, CfgVal] = {"cores": 1}
    with open(project / "conf") as file:
        config.load(acme, file, cfg)
    assert cfg == {**CONVERTED, "cores": 1}
    config.load(acme, io.StringIO("[other]\na = 1\n"), cfg)
    assert cfg == {**CONVERTED, "cores": 1}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param("cores = many", "`cores = many` is not of the type int", id="int"),
        pytest.param("share = half", "not of the type float", id="float"),
        pytest.param("quiet = perhaps", "not of the type bool", id="bool"),
        pytest.param("env = A", "not of the type dict", id="dict"),
        pytest.param("qeue = gpu", "the scheduler `acme` has no option `qeue`", id="misspelt"),
        pytest.param("queue = #FIXME", r"`queue` must be filled in \(str\): queue to submit to", id="not-filled-in"),
    ],
)
def test_a_wrong_value_is_told_with_file_and_line(acme: str, project: Path, line: str, problem: str) -> None:
    path = project / ".torchxconfig"
    path.write_text(f"# my settings\n[acme]\naccount = me\n{line}\n")
    with pytest.raises(ConfigError, match=problem) as caught:
        config.apply(acme, {})
    assert str(caught.value).startswith(f"{path}:4: ")


def test_a_misspelt_option_is_told_with_the_nearest_names(acme: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(acme, io.StringIO("[acme]\nqeue = gpu\n"), {})
    assert caught.value.hint == "did you mean `queue` or `quiet`?"


def test_an_option_that_resembles_none_is_left_out_with_a_warning(acme: str, caplog: pytest.LogCaptureFixture) -> None:
    cfg: dict[str, CfgVal] = {}
    with caplog.at_level(logging.WARNING):
        config.load(acme, io.StringIO("[acme]\nzzzzzz = 1\nqueue = gpu\n"), cfg)
    assert cfg == {"queue": "gpu"}
    assert [record.getMessage() for record in caplog.records] == [
        ".torchxconfig:2: the scheduler `acme` has no option `zzzzzz`; it is ignored"
    ]


@pytest.mark.parametrize(
    "line",
    ["cores = true", "cores = '8'  # text is converted", "quiet = 1", "share = true", "tags = [1]", "env = {A = 1}"],
)
def test_toml_values_are_checked_too(acme: str, project: Path, line: str) -> None:
    path = project / "pyproject.toml"
    path.write_text(f"[tool.torchx.acme]\n{line}\n")
    if "converted" in line:
        cfg: dict[str, CfgVal] = {}
        config.apply(acme, cfg)
        assert cfg == {"cores": 8}
        return
    with pytest.raises(ConfigError, match="is not of the type") as caught:
        config.apply(acme, {})
    assert str(caught.value).startswith(f"{path}:2: ")


def test_a_runner_passes_the_options_it_has(acme: str, project: Path) -> None:
    opts = scheduler_opts(acme)
    (project / ".torchxconfig").write_text("[renamed]\nqueue = gpu\n")
    cfg: dict[str, CfgVal] = {}
    config.apply_options("renamed", opts, cfg)
    assert cfg == {"queue": "gpu"}
