"""20,000 small files in memory: copied, copied again unchanged, and walked with 30 ignore patterns."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.timing import Row, compare, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILES = 20_000
PER_FOLDER = 50

#: As people write them: tools' folders, built files, data, and none of them matches here, so that all is walked.
PATTERNS = [
    ".git", ".hg", ".vscode", ".idea", "**/.DS_Store", "**/__pycache__", "**/*.pyc", "**/*.pyo", "**/*.so", "**/*.o",
    "*.egg-info", "build/", "dist/", "venv/", ".venv", "**/.mypy_cache", "**/.ruff_cache", "**/.pytest_cache", "*.csv",
    "data/**", "**/node_modules", "**/.ipynb_checkpoints", "checkpoints/*.pt", "**/wandb/run-*", "logs", "**/*.log",
    "**/*~", "docs/_build", "**/core.[0-9]*", "notes/?.md",
]  # fmt: skip


def run(rounds: int = 15) -> Iterator[Row]:
    """The copy to ``cp -r``, the unchanged copy to ``find``, the walk with patterns to the walk without."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        ws, copy = Path(folder, "ws"), Path(folder, "copy")
        os.environ["TORCHX_HOME"] = str(Path(folder, "home"))
        _make(ws)
        time.sleep(0.2)  # the newest file must not look as if it could still change
        yield compare(
            f"copy of {FILES} small files, to cp -r",
            lambda: _fresh(copy, lambda: _timed(lambda: _submit(ws, copy))),
            lambda: _fresh(copy, lambda: seconds(["cp", "-r", str(ws), str(copy)])),
            target=1.3,
            rounds=rounds,
        )
        shutil.rmtree(copy)
        yield compare(
            "the same again, unchanged, to find -type f | wc -l",
            lambda: _timed(lambda: _submit(ws, copy)),
            lambda: seconds(["sh", "-c", 'find "$0" -type f | wc -l', str(ws)]),
            target=2.0,
            rounds=rounds,
        )
        yield compare(
            f"walk with {len(PATTERNS)} ignore patterns, to the walk without",
            lambda: _timed(lambda: _walk(ws, PATTERNS)),
            lambda: _timed(lambda: _walk(ws, [])),
            target=1.5,
            rounds=rounds,
        )


def _make(root: Path) -> None:
    content = random.Random(0).randbytes(4096)
    sizes = random.Random(1)
    for number in range(FILES // PER_FOLDER):
        folder = root / f"pkg{number // 20}" / f"mod{number % 20}"
        folder.mkdir(parents=True)
        for file in range(PER_FOLDER):
            (folder / f"file_{file}.py").write_bytes(content[: sizes.randrange(100, 4000)])


def _submit(ws: Path, copy: Path) -> None:
    from torchx.specs import Role
    from torchx.workspace.dir_workspace import DirWorkspaceMixin

    role = Role(name="r", image="")
    DirWorkspaceMixin().build_workspace_and_update_role(role, str(ws), {"job_dir": str(copy)})
    assert role.image == str(copy)


def _walk(ws: Path, patterns: list[str]) -> None:
    from torchx.workspace.ignore import parse_ignore_file
    from torchx.workspace.walk import walk_folders

    rules = parse_ignore_file("\n".join(patterns).encode(), "bench")
    assert sum(len(folder.files) for folder in walk_folders(str(ws), rules)) == FILES


def _timed(action: Callable[[], None]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def _fresh(copy: Path, measure: Callable[[], float]) -> float:
    """Measures with no copy there."""
    subprocess.run(["rm", "-rf", str(copy)], check=True)
    return measure()
