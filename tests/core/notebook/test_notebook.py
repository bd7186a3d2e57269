"""The cell magic that writes a workspace, in a real IPython."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import fsspec
import pytest

from torchx import notebook
from torchx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def empty_workspace() -> Iterator[None]:
    notebook.clear_workspace()
    yield
    notebook.clear_workspace()


def read(path: str) -> str:
    with fsspec.open(notebook.get_workspace() + path, "r") as file:
        return str(file.read())


@pytest.mark.parametrize("path", ["train.py", "pkg/sub/mod.py", "./a b.txt", "pkg/../x.py", "-a.txt"])
def test_a_cell_becomes_a_file(path: str) -> None:
    notebook.workspacefile(path, "first\n")
    notebook.workspacefile(path, "print('ünï')\n")
    assert read(path.replace("pkg/..", "").removeprefix("./").lstrip("/")) == "print('ünï')\n"


def test_a_cell_is_added_to_a_file() -> None:
    notebook.workspacefile("-a train.py", "a\n")
    notebook.workspacefile("-a train.py", "b\n")
    assert read("train.py") == "a\nb\n"


@pytest.mark.parametrize("line", ["", "  ", "-a ", ".", "..", "../x", "/etc/passwd", "a/../../x"])
def test_a_path_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(UsageError):
        notebook.workspacefile(line, "x")


def test_the_magic_in_ipython(tmp_path: Path) -> None:
    script = """
        from IPython.testing.globalipapp import start_ipython
        shell = start_ipython()
        import torchx.notebook
        shell.run_cell_magic("workspacefile", "job.py", "print('hello from the job')\\n")
        import fsspec
        with fsspec.open(torchx.notebook.get_workspace() + "job.py", "r") as file:
            print(file.read(), end="")
        shell.run_cell("%%workspacefile /abs.py\\nx = 1")
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "print('hello from the job')",
        "UsageError: `/abs.py` is not within the workspace",
        "hint: write a path relative to the workspace",
    ]


def test_outside_of_a_notebook_nothing_is_registered() -> None:
    code = "import sys, torchx.notebook; print('IPython' in sys.modules, 'fsspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
