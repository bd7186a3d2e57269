"""Finding entry points on the path, checked against ``importlib.metadata``."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.plugins._entry_points import EntryPoint, find_distributions, normalize, parse_entry_points

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.plugins.conftest import Site

GROUPS = {"torchx.schedulers": {"acme": "acme.code:create"}}
POINT = EntryPoint(group="torchx.schedulers", name="acme", value="acme.code:create")


def _found(*path: Path) -> dict[str, tuple[str, tuple[EntryPoint, ...]]]:
    return {dist.name: (dist.version, dist.entry_points) for dist in find_distributions([str(p) for p in path])}


def test_name_and_version_come_from_the_folder(site: Site) -> None:
    site.dist("Acme.Torchx-Plugin", "1.0rc1+local.2", groups=GROUPS)
    assert _found(site.folder) == {"acme-torchx-plugin": ("1.0rc1+local.2", (POINT,))}


@pytest.mark.parametrize(
    ("folder", "name", "version"),
    [
        ("acme_torchx.egg-info", "acme-torchx", ""),
        ("acme_torchx-2.1-py3.10.egg-info", "acme-torchx", "2.1"),
        ("acme_torchx-2.1.egg-info", "acme-torchx", "2.1"),
    ],
)
def test_egg_info_folders_are_read(site: Site, folder: str, name: str, version: str) -> None:
    site.write(f"{folder}/entry_points.txt", "[torchx.schedulers]\nacme = acme.code:create\n")
    assert _found(site.folder) == {name: (version, (POINT,))}


def test_a_development_install_tells_its_version(site: Site) -> None:
    site.write("acme.egg-info/entry_points.txt", "[torchx.schedulers]\nacme = acme.code:create\n")
    site.write("acme.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: acme\nVersion: 1.2.dev0\n\nVersion: no\n")
    assert _found(site.folder) == {"acme": ("1.2.dev0", (POINT,))}


def test_the_first_on_the_path_wins_even_without_entry_points(site: Site, tmp_path: Path) -> None:
    site.dist("acme", "1.0", groups=GROUPS)
    newer = tmp_path / "newer"
    (newer / "acme-2.0.dist-info").mkdir(parents=True)
    assert _found(newer, site.folder) == {}
    assert _found(site.folder, newer) == {"acme": ("1.0", (POINT,))}


VERSIONS = ["1.0a1", "1.0rc1", "1.0", "1.0+local.2", "1.0.post1", "1.0.1", "1.9", "1.10", "2.0"]


@pytest.mark.parametrize("backwards", [False, True], ids=["listed upwards", "listed downwards"])
@pytest.mark.parametrize(("older", "newer"), [*itertools.pairwise(VERSIONS)])
def test_of_two_in_one_folder_the_higher_version_counts(
    site: Site, monkeypatch: pytest.MonkeyPatch, older: str, newer: str, backwards: bool
) -> None:
    site.dist("acme", older, groups={"torchx.schedulers": {"old": "acme.old:create"}})
    site.dist("acme", newer, groups=GROUPS)
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: sorted(listdir(path), reverse=backwards))
    assert _found(site.folder) == {"acme": (newer, (POINT,))}


@pytest.mark.parametrize("backwards", [False, True], ids=["listed upwards", "listed downwards"])
def test_of_one_version_the_newer_format_counts(site: Site, monkeypatch: pytest.MonkeyPatch, backwards: bool) -> None:
    site.write("acme-1.0.egg-info/entry_points.txt", "[torchx.schedulers]\nold = acme.old:create\n")
    site.dist("acme", "1.0", groups=GROUPS)
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: sorted(listdir(path), reverse=backwards))
    assert _found(site.folder) == {"acme": ("1.0", (POINT,))}


def test_archives_on_the_path_are_read(tmp_path: Path) -> None:
    archive = tmp_path / "plugins.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("acme-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: Acme\nVersion: 1.2\n")
        file.writestr("acme-1.2.dist-info/entry_points.txt", "[torchx.schedulers]\nacme = acme.code:create\n")
        file.writestr("bare-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: bare\nVersion: 1.0\n")
    assert _found(archive) == {"acme": ("1.2", (POINT,))}


def test_what_is_no_site_folder_is_passed_over(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_text("no archive")
    (site.folder / "acme-1.0.dist-info").mkdir()
    (site.folder / "acme-1.0.dist-info" / "entry_points.txt").mkdir()
    (site.folder / "plain-1.0.dist-info").write_text("")
    assert _found(tmp_path / "missing", file, site.folder) == {}


def test_an_empty_path_entry_is_the_current_folder(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.dist("acme", groups=GROUPS)
    monkeypatch.chdir(site.folder)
    assert "acme" in {dist.name for dist in find_distributions([""])}


def test_the_installed_distributions_are_those_of_importlib(site: Site) -> None:
    site.dist("acme", groups={**GROUPS, "torchx.plugins": {"acme": "acme.plugin"}})
    ours = {
        (dist.name, dist.version, point.group, point.name, point.value)
        for dist in find_distributions()
        for point in dist.entry_points
    }
    theirs = {
        (normalize(dist.metadata["Name"]), dist.version, point.group, point.name, point.value)
        for dist in importlib.metadata.distributions()
        for point in dist.entry_points
        if point.group.startswith("torchx.")
    }
    assert ours == theirs
    assert ("acme", "1.0", "torchx.plugins", "acme", "acme.plugin") in ours


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("a = b:c\n", [], id="before any group"),
        pytest.param("# x\n; y\n\n[g]\n# z\na = b:c", [("g", "a", "b:c")], id="comments"),
        pytest.param("[ g ]\r\n a=b : c \r\n", [("g", "a", "b:c")], id="spaces and CRLF"),
        pytest.param("[g]\na = b:c [x,y]\n", [("g", "a", "b:c")], id="extras"),
        pytest.param("[g]\na.b-c = b\nnonsense\n", [("g", "a.b-c", "b")], id="a line without an equals sign"),
        pytest.param("[g]\na = b\n[h]\na = c\n", [("g", "a", "b"), ("h", "a", "c")], id="two groups"),
    ],
)
def test_the_file_format(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(point.group, point.name, point.value) for point in parse_entry_points(text)] == expected


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    assert all(point.group and isinstance(point.value, str) for point in parse_entry_points(text))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Acme", "acme"), ("a_b", "a-b"), ("a.b", "a-b"), ("a-_.b", "a-b"), ("A__B", "a-b")],
)
def test_names_are_compared_in_one_form(name: str, expected: str) -> None:
    assert normalize(name) == expected
