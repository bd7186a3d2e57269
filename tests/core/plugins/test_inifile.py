"""Finding and parsing ``.torchxconfig``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from torchx.util.inifile import ConfigFileError, find_config_files, read_config

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".torchxconfig").write_text("[s]\n")
    monkeypatch.delenv("TORCHXCONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")


def test_the_current_folder_comes_before_the_home_folder(tmp_path: Path) -> None:
    assert find_config_files() == [str(tmp_path / name / ".torchxconfig") for name in ("work", "home")]


def test_one_file_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path / "home")
    assert find_config_files() == [str(tmp_path / "home" / ".torchxconfig")]


def test_only_the_given_folders_are_searched(tmp_path: Path) -> None:
    folders = [tmp_path / "home", tmp_path, tmp_path / "work"]
    assert find_config_files(folders) == [str(tmp_path / name / ".torchxconfig") for name in ("home", "work")]


def test_the_environment_names_one_file_to_use_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.ini").write_text("")
    monkeypatch.setenv("TORCHXCONFIG", str(tmp_path / "other.ini"))
    assert find_config_files() == find_config_files([tmp_path / "home"]) == [str(tmp_path / "other.ini")]
    monkeypatch.setenv("TORCHXCONFIG", "")
    assert find_config_files() == []
    monkeypatch.setenv("TORCHXCONFIG", "missing.ini")
    with pytest.raises(ConfigFileError, match=r"`missing\.ini`"):
        find_config_files()


def test_keys_keep_their_case_and_values_their_characters(tmp_path: Path) -> None:
    file = tmp_path / "c"
    file.write_text("[aws_batch]\njobQueue = a=b:%(c)s;d # e\nempty =\nbare\n")
    section = read_config(file)["aws_batch"]
    assert dict(section) == {"jobQueue": "a=b:%(c)s;d # e", "empty": "", "bare": None}


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        pytest.param(b"a = b\n", 1, "stands before the first", id="no section"),
        pytest.param(b"[s]\na = b\na = c\n", 3, "`a` is set twice in section [s]", id="option twice"),
        pytest.param(b"[s]\n[t]\n[s]\n", 3, "section [s] stands here a second time", id="section twice"),
        pytest.param(b"[s]\n = b\n", 2, "neither a [section] nor", id="no key"),
        pytest.param(b"[s]\na = \xff\xfe\n", None, "cannot be read", id="no text"),
    ],
)
def test_what_is_malformed_is_told_with_file_and_line(tmp_path: Path, text: bytes, line: int | None, told: str) -> None:
    file = tmp_path / "c"
    file.write_bytes(text)
    with pytest.raises(ConfigFileError) as caught:
        read_config(file)
    assert (caught.value.path, caught.value.line) == (str(file), line)
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"{file}:{line}: " if line else f"{file}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    (tmp_path / "c").touch(mode=0)
    with pytest.raises(ConfigFileError, match="Permission denied"):
        read_config(tmp_path / "c")


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match="cannot be read"):
        read_config(tmp_path)
