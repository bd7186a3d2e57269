from __future__ import annotations

import os
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.errors import UsageError
from torchx.specs import Workspace
from torchx.specs.api import InvalidWorkspaceException


def _tree(root: pathlib.Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def _project(root: pathlib.Path, **files: str) -> str:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return str(root)


@pytest.mark.parametrize(
    ("text", "projects"),
    [
        pytest.param(None, {}, id="none"),
        pytest.param("", {}, id="empty"),
        pytest.param("  ", {}, id="blank"),
        pytest.param("/home/me/proj", {"/home/me/proj": ""}, id="path"),
        pytest.param(".", {".": ""}, id="here"),
        pytest.param("memory://a/b", {"memory://a/b": ""}, id="url"),
        pytest.param("/odd:name/a b", {"/odd:name/a b": ""}, id="odd-path"),
        pytest.param("{/a: a, /b: }", {"/a": "a", "/b": ""}, id="flow"),
        pytest.param("/a: a\n/b: sub/b\n/c:\n", {"/a": "a", "/b": "sub/b", "/c": ""}, id="block"),
        pytest.param("/a: a", {"/a": "a"}, id="one-mapped"),
        pytest.param("/a:", {"/a": ""}, id="one-unmapped"),
        pytest.param('{"/a": "1", yes: null}', {"/a": "1", "yes": "null"}, id="all-is-text"),
    ],
)
def test_a_workspace_is_read_from_text(text: str | None, projects: dict[str, str]) -> None:
    workspace = Workspace.from_str(text)
    assert workspace.projects == projects
    assert bool(workspace) is bool(projects)


@pytest.mark.parametrize("text", ["{/a: [b]}", "{/a: {b: c}}", "{/a", "- /a\n- /b", "{: a}", "? [a]\n: b"])
def test_a_malformed_workspace_is_refused(text: str) -> None:
    with pytest.raises(InvalidWorkspaceException, match="workspace"):
        Workspace.from_str(text)


@given(st.text(alphabet="{}[]: ,~/ab\n-&*!?'\"#"))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        Workspace.from_str(text)
    except UsageError as e:
        assert str(e)


@pytest.mark.parametrize("text", ["~/proj", "{~/proj: }"])
def test_the_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert Workspace.from_str(text) == Workspace({"~/proj": ""}) == Workspace({"/home/me/proj": ""})


@pytest.mark.parametrize(
    ("projects", "unmapped", "text"),
    [
        ({}, False, ""),
        ({"/a": ""}, True, "/a"),
        ({"/a": "a"}, False, "/a:a"),
        ({"/a": ".", "/b": ""}, False, "/a:.;/b"),
    ],
)
def test_a_single_unmapped_project_is_told_apart(projects: dict[str, str], unmapped: bool, text: str) -> None:
    assert Workspace(projects).is_unmapped_single_project() is unmapped
    assert str(Workspace(projects)) == text


def test_equal_workspaces_are_one_key() -> None:
    first, second = Workspace({"/a": "a", "/b": "b"}), Workspace({"/b": "b", "/a": "a"})
    assert first == second
    assert {("img", first): 1}[("img", second)] == 1
    assert first != Workspace({"/a": "a"})


def test_projects_are_merged_each_to_its_place(tmp_path: pathlib.Path) -> None:
    main = _project(tmp_path / "main", train="main", lib__x="old", shared="main")
    lib = _project(tmp_path / "lib", x="new", y__z="deep")
    file = _project(tmp_path / "single", file="file") + "/file"
    out = tmp_path / "deep" / "out"
    Workspace({main: "", lib: "lib", file: "", str(tmp_path / "lib" / "x"): "conf/x.txt"}).merge_into(out)
    assert _tree(out) == {
        "train": "main",
        "shared": "main",
        "lib/x": "new",
        "lib/y/z": "deep",
        "file": "file",
        "conf/x.txt": "new",
    }


def test_merging_keeps_modes_links_and_empty_folders(tmp_path: pathlib.Path) -> None:
    src = pathlib.Path(_project(tmp_path / "src", run="#!/bin/sh"))
    (src / "run").chmod(0o755)
    (src / "empty").mkdir()
    (src / "link").symlink_to("run")
    (src / "dangling").symlink_to("nowhere")
    (src / "loop").symlink_to(".")
    Workspace({str(src): ""}).merge_into(str(tmp_path / "out"))
    out = tmp_path / "out"
    assert os.access(out / "run", os.X_OK)
    assert (out / "empty").is_dir()
    assert {name: os.readlink(out / name) for name in ("link", "dangling", "loop")} == {
        "link": "run",
        "dangling": "nowhere",
        "loop": ".",
    }


@pytest.mark.parametrize("destination", ["../x", "/etc", "a/../../x", ".."])
def test_a_destination_outside_is_refused(tmp_path: pathlib.Path, destination: str) -> None:
    src = _project(tmp_path / "src", a="a")
    with pytest.raises(InvalidWorkspaceException, match="leaves the workspace"):
        Workspace({src: destination}).merge_into(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_project_is_refused_before_anything_is_copied(tmp_path: pathlib.Path) -> None:
    src = _project(tmp_path / "src", a="a")
    with pytest.raises(InvalidWorkspaceException, match="`/does/not/exist` does not exist"):
        Workspace({src: "", "/does/not/exist": "b"}).merge_into(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["src", "src/out"])
def test_a_workspace_is_not_merged_into_itself(tmp_path: pathlib.Path, out: str) -> None:
    src = _project(tmp_path / "src", a="a")
    with pytest.raises(InvalidWorkspaceException, match="cannot merge"):
        Workspace({src: ""}).merge_into(tmp_path / out)
    assert _tree(tmp_path / "src") == {"a": "a"}
