"""Fixtures of the workspace tests."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

sys.path.insert(0, str(Path(__file__).parent))  # for the corpus, which the cluster tests use as well

Snapshot = dict[str, tuple[int, str]]


@pytest.fixture(autouse=True)
def torchx_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of TorchX of its own for each test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("TORCHX_HOME", str(home))
    return home


@pytest.fixture
def ws(tmp_path: Path) -> Path:
    """A small workspace."""
    root = tmp_path / "ws"
    (root / "pkg" / "deep").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "train.py").write_text("print('hi')\n")
    (root / "pkg" / "mod.py").write_text("x = 1\n")
    (root / "pkg" / "deep" / "leaf.txt").write_text("leaf\n")
    return root


@pytest.fixture
def umask() -> Iterator[None]:
    """The usual umask, whatever the session's is."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """An empty folder, and while the test runs a user to whom permissions matter, even if root runs the tests."""
    root = Path(tempfile.mkdtemp(dir="/tmp"))  # the folders of pytest are closed to others
    nobody = 65534
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(root, nobody, nobody)
        os.seteuid(nobody)
    try:
        yield root
    finally:
        if is_root:
            os.seteuid(0)
        for folder, _, _ in os.walk(root):
            os.chmod(folder, 0o700)
        shutil.rmtree(root)


@pytest.fixture
def snapshot() -> Callable[[Path], Snapshot]:
    """A function that tells all that is to be kept of a tree: modes, contents, targets of links, empty folders."""

    def take(root: Path) -> Snapshot:
        found: Snapshot = {}
        for folder, subfolders, files in os.walk(root):
            for name in (*subfolders, *files):
                path = Path(folder, name)
                key = str(path.relative_to(root))
                if path.is_symlink():
                    found[key] = (0, "-> " + os.readlink(path))
                elif path.is_dir():
                    found[key] = (path.stat().st_mode & 0o777, "/")
                else:
                    found[key] = (path.stat().st_mode & 0o777, path.read_bytes().decode("latin-1"))
        return found

    return take
