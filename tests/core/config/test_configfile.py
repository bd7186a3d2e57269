"""Finding and parsing configuration files."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.errors import UsageError
from torchx.util.configfile import ConfigError, ConfigNotFoundError, find_config_files, parse_config, read_config

if TYPE_CHECKING:
    from pathlib import Path


def test_the_current_folder_comes_before_the_home_folder(project: Path, home: Path) -> None:
    (project / ".torchxconfig").write_text("")
    (home / ".torchxconfig").write_text("")
    assert find_config_files() == [str(project / ".torchxconfig"), str(home / ".torchxconfig")]


def test_a_pyproject_counts_only_where_it_has_our_table(project: Path, home: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.torchx.slurm]\npartition = 'gpu'\n")
    (home / "pyproject.toml").write_text("[project]\nname = 'x'\ndependencies = ['torchx-core']\n")
    assert find_config_files() == [str(project / "pyproject.toml")]


def test_the_torchxconfig_file_comes_before_the_pyproject_of_its_folder(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.torchx.slurm]\npartition = 'gpu'\n")
    (project / ".torchxconfig").write_text("")
    assert [os.path.basename(path) for path in find_config_files()] == [".torchxconfig", "pyproject.toml"]


def test_a_project_in_the_home_folder_is_found_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".torchxconfig").write_text("")
    monkeypatch.chdir(home)
    assert find_config_files() == [str(home / ".torchxconfig")]


def test_the_variable_names_the_only_file(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".torchxconfig").write_text("")
    named = tmp_path / "other.conf"
    named.write_text("")
    monkeypatch.setenv("TORCHXCONFIG", str(named))
    assert find_config_files() == [str(named)]
    assert find_config_files([str(project)]) == [str(named)]


def test_an_empty_variable_means_no_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".torchxconfig").write_text("")
    monkeypatch.setenv("TORCHXCONFIG", "")
    assert find_config_files() == []


def test_a_variable_that_names_no_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHXCONFIG", "/nowhere/.torchxconfig")
    with pytest.raises(ConfigNotFoundError, match=r"names ./nowhere/\.torchxconfig") as caught:
        find_config_files()
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.exit_code == UsageError.exit_code
    assert str(caught.value) == caught.value.message
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("a = 1\n", 1, "`a = 1` stands outside", id="no-section"),
        pytest.param("[s]\na = 1\n\na = 2\n", 4, "`a` is there twice", id="option-twice"),
        pytest.param("[s]\n[t]\n[s]\n", 3, r"section \[s\] is there twice", id="section-twice"),
        pytest.param("[s]\nb = 1\nalone\n", 3, "`alone` has no value", id="no-value"),
        pytest.param("[s]\n = 1\n", 2, "neither", id="no-name"),
    ],
)
def test_a_malformed_ini_file_is_told_with_file_and_line(project: Path, text: str, line: int, problem: str) -> None:
    path = project / ".torchxconfig"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem) as caught:
        read_config(str(path))
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert (caught.value.path, caught.value.line) == (str(path), line)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("[tool.torchx.s]\na =\n", 2, "not valid TOML", id="syntax"),
        pytest.param("[tool.torchx]\na = [1,\n\n", 4, "not valid TOML", id="unended"),
        pytest.param("[tool.torchx]\nqueue = 'a'\n", 2, "outside of any section", id="no-section"),
        pytest.param("[tool]\ntorchx = 3\n", 2, "must be a table", id="no-table"),
        pytest.param("[tool.x]\n[[tool.torchx]]\n", 2, "must be a table", id="array"),
    ],
)
def test_a_malformed_pyproject_is_told_with_file_and_line(project: Path, text: str, line: int, problem: str) -> None:
    path = project / "pyproject.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem) as caught:
        read_config(find_config_files()[0])
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[tool.torchx]\nslurm.queue = 1\nslurm.time = 2\n", 3),
        ("[tool.torchx]\nslurm = {queue = 1, time = 2}\n", 2),
        ("[tool]\ntorchx.slurm.queue = 1\ntorchx.slurm.time = 2\n", 3),
        ("[tool]\nx = [\n  [1],\n]\ntorchx = {slurm = {queue = 1, time = 2}}\n", 5),
        ("[tool.torchx.slurm]\n[tool.torchx.slurm.time]\na = 1\n[tool.other.slurm]\ntime = 1\n", 2),
        ("[ tool . 'torchx' . slurm ] # ours\n'time' = 1\n", 2),
        ("tool.torchx.slurm.queue = 1\ntool.torchx.slurm.time = 2\n", 2),
    ],
    ids=["dotted", "inline", "below tool", "inline below tool", "table", "quoted", "top"],
)
def test_keys_are_found_however_toml_writes_them(text: str, line: int) -> None:
    config = parse_config(text, "pyproject.toml")
    assert "time" in config.sections["slurm"]
    assert config.line_of("slurm", "time") == line
    assert config.line_of("slurm") is not None


def test_bytes_that_are_no_text_are_told_with_their_line(project: Path) -> None:
    path = project / ".torchxconfig"
    path.write_bytes(b"[s]\na = \xff\n")
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        read_config(str(path))
    assert caught.value.line == 2


def test_a_folder_in_place_of_a_file_is_told(project: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(str(project))


def test_values_and_names_keep_their_characters() -> None:
    text = "[s]\nMixedCase = 100%(x)s # not a comment ; neither\nurl = http://u:p@h/?a=b\nmany = 1\n  2\n"
    assert parse_config(text, "f").sections == {
        "s": {"MixedCase": "100%(x)s # not a comment ; neither", "url": "http://u:p@h/?a=b", "many": "1\n2"}
    }


def test_a_section_called_default_is_a_section_like_any_other() -> None:
    assert parse_config("[DEFAULT]\na = 1\n[s]\nb = 2\n", "f").sections == {"DEFAULT": {"a": "1"}, "s": {"b": "2"}}


def test_trackers_may_stand_without_a_value() -> None:
    sections = parse_config("[torchx:tracker]\nfsspec\nmlflow =\nother = /x\n", "f").sections
    assert sections == {"torchx:tracker": {"fsspec": "", "mlflow": "", "other": "/x"}}


def test_toml_tables_are_sections() -> None:
    text = """
        [tool.torchx.kubernetes]
        namespace = "dev"
        validate_spec = false
        [tool.torchx.local_docker]
        env = {A = "1", B = "2"}
        [tool.torchx.component."dist.ddp"]
        j = "1x2"
        [tool.torchx."component:utils.echo"]
        msg = "hi"
        [tool.torchx.cli.run]
        workspace = ""
        [tool.torchx.torchx.tracker]
        fsspec = "/runs"
        [tool.torchx.tracker.mlflow]
        config = "/conf.json"
        [tool.torchx.slurm]
    """
    assert parse_config(text, "pyproject.toml").sections == {
        "kubernetes": {"namespace": "dev", "validate_spec": False},
        "local_docker": {"env": {"A": "1", "B": "2"}},
        "component:dist.ddp": {"j": "1x2"},
        "component:utils.echo": {"msg": "hi"},
        "cli:run": {"workspace": ""},
        "torchx:tracker": {"fsspec": "/runs"},
        "tracker:mlflow": {"config": "/conf.json"},
        "slurm": {},
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(".torchxconfig", "# c\n[other]\nb = 1\n[component:dist.ddp]\n# b = 0\na = 1\nb = 2\n", id="ini"),
        pytest.param(
            "pyproject.toml",
            '# c\n[tool.torchx.other]\nb = 1\n[tool.torchx.component."dist.ddp"]\n# b = 0\na = 1\n"b" = 2\n',
            id="toml",
        ),
    ],
)
def test_lines_are_found(name: str, text: str) -> None:
    config = parse_config(text, name)
    assert config.line_of("component:dist.ddp") == 4
    assert config.line_of("component:dist.ddp", "b") == 7
    assert config.line_of("component:dist.ddp", "missing") == 4
    assert config.line_of("missing") is None


def test_a_changed_file_is_read_again(project: Path) -> None:
    path = project / ".torchxconfig"
    path.write_text("[s]\na = 1\n")
    first = read_config(str(path))
    assert read_config(str(path)) is first
    path.write_text("[s]\na = 22\n")
    assert read_config(str(path)).sections == {"s": {"a": "22"}}


# configparser folds what it takes for line ends, and strips values: such text needs quoting by its user.
_line = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(_line.filter(lambda s: s[0] not in "#;"))
def test_any_one_line_value_survives(value: str) -> None:
    assert parse_config(f"[s]\nkey = {value}\n", "f").sections == {"s": {"key": value}}


def test_without_a_file_no_parser_is_imported(project: Path) -> None:
    code = (
        "import sys; from torchx.runner.config import load_sections; load_sections('component');"
        "print(sorted({'configparser', 'tomllib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
