"""The second process that shares the copying of many files."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from torchx.workspace import fastcopy, helper, parallel
from torchx.workspace.errors import WorkspaceError
from torchx.workspace.helper import Helper
from torchx.workspace.progress import Progress

if TYPE_CHECKING:
    from collections import deque
    from pathlib import Path

FILES = 120


class Counter(Progress):
    done = 0

    def advance(self, files: int) -> None:
        self.done += files


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One job a file, of which the first few show that nothing makes us wait; the others are shared."""
    monkeypatch.setattr(parallel, "SAMPLE", 2)
    monkeypatch.setattr(parallel, "ENOUGH", 10)
    monkeypatch.setattr(parallel, "voluntary_switches", lambda: 0)
    monkeypatch.setattr(parallel, "one_is_idle", lambda: True)
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    names = [f"file \udcff {number}" if number % 7 == 0 else f"file {number}" for number in range(FILES)]
    for name in names:
        (tmp_path / "from" / name).write_text(name * 100, errors="surrogateescape")
        os.utime(tmp_path / "from" / name, (5, 5))
    return [(str(tmp_path / "from"), str(tmp_path / "to"), [name], 0o022) for name in names]


def copied(folder: Path) -> dict[str, tuple[bytes, float]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime) for path in folder.iterdir()}


def check(tmp_path: Path, jobs: list[Any]) -> None:
    progress = Counter()
    done = parallel.copy_jobs(jobs, progress)
    assert copied(tmp_path / "to") == copied(tmp_path / "from")
    stats = {path.name: path.stat() for path in (tmp_path / "from").iterdir()}
    marks = {name: mark for job, of_job in done for name, mark in zip(job[2], of_job, strict=True)}
    assert marks == {name: (found.st_ino, found.st_ctime_ns) for name, found in stats.items()}
    assert progress.done == FILES


def test_both_copy(tmp_path: Path, jobs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    answered: list[Any] = []
    answer = Helper.answer

    def counted(self: Helper, todo: deque[Any]) -> list[Any]:
        done = answer(self, todo)
        answered.extend(done)
        return done

    monkeypatch.setattr(Helper, "answer", counted)
    check(tmp_path, jobs)
    assert len(answered) >= helper.AHEAD


@pytest.mark.parametrize(
    "program",
    ["", "/nowhere/python", "/bin/false", "/bin/cat"],
    ids=["none is known", "can't be started", "ends at once", "says nonsense"],
)
def test_without_a_helper_we_copy_alone(
    tmp_path: Path, jobs: list[Any], monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    check(tmp_path, jobs)


def test_what_a_killed_helper_left_is_done(tmp_path: Path, jobs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    fill = Helper.fill

    def killed(self: Helper, todo: deque[Any]) -> None:
        fill(self, todo)
        if self._process:
            self._process.kill()

    monkeypatch.setattr(Helper, "fill", killed)
    check(tmp_path, jobs)


def test_an_error_of_the_helper_names_the_file(tmp_path: Path, jobs: list[Any]) -> None:
    missing = tmp_path / "from" / jobs[-1][2][0]
    missing.unlink()
    with pytest.raises(WorkspaceError, match=r" 119`: No such file"):
        parallel.copy_jobs(jobs, Counter())


def test_it_needs_none_of_our_modules(tmp_path: Path) -> None:
    code = f"exec(open({fastcopy.__file__!r}).read(), {{}}); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert not {"typing", "json", "re", "torchx"}.intersection(done.stdout.split())
