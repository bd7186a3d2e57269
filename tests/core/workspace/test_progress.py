"""The progress line of what takes long, on a real terminal, while something is really slow."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import rich.console
import rich.progress

from torchx.workspace import fastcopy
from torchx.workspace.progress import FileProgress, Progress, known_columns

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 60

SUBMIT = """
import sys
from torchx.specs import Role
from torchx.workspace.dir_workspace import DirWorkspaceMixin

workspace, job_dir = sys.argv[1:]
role = Role(name="r", image="")
DirWorkspaceMixin().build_workspace_and_update_role(role, workspace, {"job_dir": job_dir})
print(role.image)
"""

#: A file system over a network whose files come when somebody has made the file `go` beside them.
SLOW_FILES = """
import os, time
import fsspec
from fsspec.implementations.local import LocalFileSystem

class SlowFiles(LocalFileSystem):
    protocol = "slow"

    def get_file(self, path, target, callback=None, **kwargs):
        callback.set_size(200)
        callback.absolute_update(84)
        while not os.path.exists(os.path.join(os.path.dirname(path), "..", "go")):
            time.sleep(0.01)
        super().get_file(path, target, **kwargs)

fsspec.register_implementation("slow", SlowFiles)
"""

SLOW_FIND = """#!/bin/sh
while ! test -e {go}; do sleep 0.02; done
exec {find} "$@"
"""


class Terminal:
    """A program whose standard error is a terminal, and what it has shown there."""

    def __init__(self, code: str, *args: str, env: dict[str, str] | None = None) -> None:
        self._master, slave = pty.openpty()
        self.shown = ""
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **(env or {})}
        self._program = subprocess.Popen(
            [sys.executable, "-c", code, *args], stdout=subprocess.PIPE, stderr=slave, text=True, env=environment
        )
        os.close(slave)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + LIMIT
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            assert self._read(), f"the program ended and showed only {self.shown!r}"

    def end(self) -> str:
        """What it has printed on standard output, once it has ended."""
        while self._read():
            pass
        out, _ = self._program.communicate(timeout=LIMIT)
        assert self._program.returncode == 0, self.shown
        os.close(self._master)
        return str(out)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 0.05)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            return False
        self.shown += data.decode()
        return bool(data)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "ws").mkdir()
    for name in ("a.py", "b.py"):
        (tmp_path / "ws" / name).write_text(name)
    return tmp_path / "ws"


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="needs leases of files to make one slow")
def test_it_appears_while_one_file_takes_all_the_time(workspace: Path, tmp_path: Path) -> None:
    lease = os.open(workspace / "a.py", os.O_RDWR)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # the kernel's word that somebody waits to open the file
    try:
        fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        terminal = Terminal(SUBMIT, str(workspace), str(tmp_path / "job"))
        terminal.wait_for("copying workspace")
        assert not (tmp_path / "job").exists()
    finally:
        os.close(lease)  # ends the lease
        signal.signal(signal.SIGIO, before)
    assert terminal.end() == f"{tmp_path}/job\n"
    assert (tmp_path / "job" / "a.py").read_text() == "a.py"
    assert terminal.shown.endswith("\x1b[2K"), "the line is taken away again"


def test_it_appears_while_a_remote_workspace_is_fetched(workspace: Path, tmp_path: Path) -> None:
    terminal = Terminal(SLOW_FILES + SUBMIT, f"slow://{workspace}", str(tmp_path / "job"))
    terminal.wait_for(".py 42 %")
    assert "fetching workspace: " in terminal.shown
    (tmp_path / "go").touch()
    assert terminal.end() == f"{tmp_path}/job\n"
    assert sorted(path.name for path in (tmp_path / "job").iterdir()) == ["a.py", "b.py"]


def test_it_appears_while_a_long_look_finds_no_change(workspace: Path, tmp_path: Path) -> None:
    find = subprocess.run(["which", "find"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "find").write_text(SLOW_FIND.format(go=shlex.quote(f"{tmp_path}/go"), find=find))
    (tmp_path / "bin" / "find").chmod(0o755)
    env = {"PATH": f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"}
    time.sleep(0.15)  # a file that has just changed could change again within the clock's tick: it is compared itself
    assert Terminal(SUBMIT, str(workspace), str(tmp_path / "job")).end()
    terminal = Terminal(SUBMIT, str(workspace), str(tmp_path / "job"), env=env)
    terminal.wait_for("looking at workspace")
    (tmp_path / "go").touch()
    assert terminal.end() == f"{tmp_path}/job\n"


def test_what_is_quick_shows_nothing(workspace: Path, tmp_path: Path) -> None:
    terminal = Terminal(SUBMIT, str(workspace), str(tmp_path / "job"))
    assert terminal.end() == f"{tmp_path}/job\n"
    assert terminal.shown == ""


def test_what_is_no_terminal_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchx.workspace.progress.PATIENCE", 0.0)
    out = io.StringIO()
    with FileProgress("copying workspace", None, out) as bar:
        bar.advance(5)
        bar.advance(5)
    assert (bar.done, out.getvalue()) == (10, "")


def test_without_a_standard_error_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    with FileProgress("copying workspace") as bar:
        bar.advance(1)
    assert bar.done == 1


@pytest.mark.parametrize("kernel", [True, False], ids=["the kernel copies", "through memory"])
def test_a_large_file_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: bool) -> None:
    class Told(Progress):
        def within(self, name: str, done: int = 0, size: int | None = None) -> None:
            told.append((name, done, size))

    def refused(*args: int) -> int:
        raise OSError(errno.EXDEV, "another file system")

    told: list[tuple[str, int, int | None]] = []
    monkeypatch.setattr(fastcopy, "PIECE", 1 << 20)
    if not kernel:
        monkeypatch.setattr(fastcopy, "_copy_range", refused)
    content = os.urandom((2 << 20) + 5)
    (tmp_path / "large").write_bytes(content)
    fastcopy.copy_files(str(tmp_path), str(tmp_path), [("large", "copy")], 0o022, Told())
    assert (tmp_path / "copy").read_bytes() == content
    assert list(dict.fromkeys(done for _, done, _ in told))[-3:] == [1 << 20, 2 << 20, len(content)]
    assert {(name, size) for name, _, size in told} == {("large", len(content))}


@pytest.mark.parametrize(
    ("total", "done", "shown"),
    [(None, 0, ("", "")), (None, 1, ("", "1 file")), (None, 7060, ("", "7060 files")), (20, 7, ("━", "7/20"))],
)
def test_the_line_tells_only_what_is_known(total: int | None, done: int, shown: tuple[str, str]) -> None:
    bar = rich.progress.Progress()
    bar.add_task("copying", total=total, completed=done)
    (task,) = bar.tasks
    console = rich.console.Console(file=io.StringIO(), width=60)
    drawn = []
    for column in known_columns():
        with console.capture() as captured:
            console.print(column(task))
        drawn.append(captured.get().strip())
    assert (drawn[0][:1], drawn[1]) == shown
