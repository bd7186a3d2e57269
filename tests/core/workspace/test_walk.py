"""What a walk finds, and what it refuses."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import fsspec
import pytest

from torchx.errors import TorchXError
from torchx.workspace import walk_workspace
from torchx.workspace.errors import IgnoreFileError, UnsafeWorkspaceError, WorkspaceError, WorkspaceNotFoundError
from torchx.workspace.links import safe_target
from torchx.workspace.walk import local_root, read_rules, walk_folders

if TYPE_CHECKING:
    from pathlib import Path


def found(root: Path, *, skip: tuple[str, ...] = ()) -> list[str]:
    """All that a walk yields, sorted; folders with a slash, links with an ``@``."""
    out = []
    for folder in walk_folders(str(root), read_rules(str(root), ".torchxignore"), skip=skip):
        prefix = folder.rel + "/" if folder.rel else ""
        out += [prefix, *(prefix + name for name in folder.files), *(f"{prefix}{name}@" for name in folder.links)]
    assert len(out) == len(set(out))
    return sorted(out)


def test_all_of_a_workspace(ws: Path) -> None:
    assert found(ws) == ["", "empty/", "pkg/", "pkg/deep/", "pkg/deep/leaf.txt", "pkg/mod.py", "train.py"]


def test_ignored_folders_are_left_out(ws: Path) -> None:
    (ws / ".torchxignore").write_text("pkg\n.torchxignore\n")
    assert found(ws) == ["", "empty/", "train.py"]


def test_an_exception_brings_the_folders_on_its_way_each_once(ws: Path) -> None:
    (ws / "pkg" / "deep" / "a").mkdir()
    (ws / "pkg" / "deep" / "a" / "leaf.txt").write_text("")
    (ws / ".torchxignore").write_text("*\n!**/leaf.txt\n")
    assert found(ws) == ["", "pkg/", "pkg/deep/", "pkg/deep/a/", "pkg/deep/a/leaf.txt", "pkg/deep/leaf.txt"]


def test_parents_come_before_children(ws: Path) -> None:
    (ws / ".torchxignore").write_text("pkg\n!pkg/deep/leaf.txt\n")
    order = [folder.rel for folder in walk_folders(str(ws), read_rules(str(ws), ".torchxignore"))]
    assert order.index("pkg") < order.index("pkg/deep")


def test_links_are_not_followed_and_loops_end(ws: Path) -> None:
    (ws / "loop").symlink_to(".")
    (ws / "pkg" / "up").symlink_to("..")
    (ws / "self").symlink_to("self")
    assert {"loop@", "pkg/up@", "self@"} <= set(found(ws))


def test_a_given_folder_is_skipped(ws: Path) -> None:
    assert "pkg/" not in found(ws, skip=(str(ws / "pkg"),))


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_special_files_are_refused_by_name(ws: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(ws / "pkg" / "odd")
    else:
        here = os.getcwd()
        os.chdir(ws / "pkg")  # a socket's path must be short
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind("odd")
        finally:
            os.chdir(here)
    with pytest.raises(UnsafeWorkspaceError, match="`pkg/odd` in workspace") as caught:
        found(ws)
    assert caught.value.path == "pkg/odd"
    (ws / ".torchxignore").write_text("**/odd\n")
    assert "pkg/" in found(ws)


def test_an_unreadable_folder_is_named_unless_it_is_ignored(unprivileged: Path) -> None:
    for folder in ("open", "closed"):
        (unprivileged / folder).mkdir()
    (unprivileged / "closed").chmod(0)
    with pytest.raises(WorkspaceError, match=r"/closed`: Permission denied"):
        found(unprivileged)
    (unprivileged / ".torchxignore").write_text("closed\n!closed/mod.py\n")
    assert found(unprivileged) == ["", ".torchxignore", "open/"]


@pytest.mark.parametrize("path", ["missing", "file"])
def test_a_workspace_that_is_no_folder_is_an_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceNotFoundError, match=path) as caught:
        local_root(str(tmp_path / path))
    assert isinstance(caught.value, (TorchXError, FileNotFoundError))
    assert caught.value.exit_code == 2


def test_the_ignore_file_must_be_a_file(ws: Path) -> None:
    (ws / ".torchxignore").mkdir()
    with pytest.raises(WorkspaceError, match="torchxignore"):
        read_rules(str(ws), ".torchxignore")


@pytest.mark.parametrize(
    ("folder", "target", "carried"),
    [
        ("", "train.py", "train.py"),
        ("pkg", "../train.py", "../train.py"),
        ("pkg", "deep/../mod.py", "deep/../mod.py"),
        ("", "missing/too", "missing/too"),
        ("pkg", "{root}/train.py", "../train.py"),
        ("pkg", "../../ws/train.py", "../train.py"),
        ("", "{root}", "."),
        ("", ".", "."),
    ],
)
def test_links_inside_are_carried(ws: Path, folder: str, target: str, carried: str) -> None:
    (ws / folder / "link").symlink_to(target.format(root=ws))
    assert safe_target(str(ws), folder, "link") == carried


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "..", "../", "../../etc", "pkg/../../x", "out/x", "../ws2/f", "/", "{root}2"]
)
def test_links_out_are_refused_by_name(ws: Path, target: str) -> None:
    (ws.parent / "ws2").mkdir()
    (ws / "out").symlink_to("/etc")
    (ws / "li nk").symlink_to(target.format(root=ws))
    with pytest.raises(UnsafeWorkspaceError, match=r"`li nk` in workspace .* is a link to") as caught:
        safe_target(str(ws), "", "li nk")
    assert caught.value.path == "li nk"


def listing(fs: fsspec.AbstractFileSystem, path: str, **kwargs: str) -> dict[str, tuple[list[str], list[str]]]:
    return {folder: (sorted(dirs), sorted(files)) for folder, dirs, files in walk_workspace(fs, path, **kwargs)}


@pytest.fixture
def memory() -> fsspec.AbstractFileSystem:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    for name, text in {"a.py": "1", "data/big.bin": "2", "data/keep/x": "3", "d/e/f.pyc": "4"}.items():
        fs.pipe_file(f"/ws/{name}", text.encode())
    return fs


def test_walk_workspace_on_another_file_system(memory: fsspec.AbstractFileSystem) -> None:
    assert listing(memory, "memory://ws") == {
        "/ws": (["d", "data"], ["a.py"]),
        "/ws/data": (["keep"], ["big.bin"]),
        "/ws/data/keep": ([], ["x"]),
        "/ws/d": (["e"], []),
        "/ws/d/e": ([], ["f.pyc"]),
    }
    memory.pipe_file("/ws/.myignore", b"data\n!data/keep\n**/*.pyc\n.myignore\n")
    assert listing(memory, "/ws", ignore_name=".myignore") == {
        "/ws": (["d", "data"], ["a.py"]),
        "/ws/data/keep": ([], ["x"]),
        "/ws/d": (["e"], []),
        "/ws/d/e": ([], []),
    }


def test_walk_workspace_yields_the_info_of_files(memory: fsspec.AbstractFileSystem) -> None:
    _, _, files = next(iter(walk_workspace(memory, "/ws")))
    assert files["a.py"]["size"] == 1


def test_walk_workspace_errors(memory: fsspec.AbstractFileSystem, ws: Path) -> None:
    with pytest.raises(WorkspaceNotFoundError, match="nowhere"):
        list(walk_workspace(memory, "/nowhere"))
    memory.pipe_file("/ws/.torchxignore", b"[\n")
    with pytest.raises(IgnoreFileError, match=r"/ws/\.torchxignore:1"):
        list(walk_workspace(memory, "/ws"))
    local = fsspec.filesystem("file")
    (ws / "out").symlink_to("/etc")
    with pytest.raises(UnsafeWorkspaceError, match="`out`"):
        list(walk_workspace(local, str(ws)))
    (ws / "out").unlink()
    os.mkfifo(ws / "pipe")
    with pytest.raises(UnsafeWorkspaceError, match="`pipe`"):
        list(walk_workspace(local, str(ws)))


def test_walk_workspace_of_local_files_does_not_follow_links(ws: Path) -> None:
    (ws / "loop").symlink_to(".")
    found = listing(fsspec.filesystem("file"), f"file://{ws}")
    assert found[str(ws)] == (["empty", "pkg"], ["loop", "train.py"])
    assert set(found) == {str(ws), f"{ws}/empty", f"{ws}/pkg", f"{ws}/pkg/deep"}
