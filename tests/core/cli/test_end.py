"""How the program ends: quickly, with the right status, and with nothing left out."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.core.cli.support import TORCHX
from torchx.cli.output import print_json

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.cli.support import Cli, Site

START = "import sys; sys.argv = ['torchx', *sys.argv[1:]]; from torchx._start import main; "


def end(code: str, *args: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("args", "status"),
    [(("--version",), 0), (("--help",), 0), ((), 2), (("nosuch",), 2), (("status", "local_cwd://x/nosuch"), 1)],
    ids=["version", "help", "nothing", "unknown command", "no such job"],
)
def test_status(args: tuple[str, ...], status: int) -> None:
    assert end(f"{START}main()", *args)[0] == status


def test_what_asked_for_the_end_is_called_and_heard() -> None:
    status, out, _ = end(
        f"{START}import torchx.cli.main as cli; before = cli.main\n"
        "def run():\n"
        "    import atexit; atexit.register(print, 'a plugin, at the end'); before()\n"
        "cli.main = run\n"
        "main()",
        "--version",
    )
    assert status == 0
    assert out.splitlines()[1:] == ["a plugin, at the end"]


def test_who_was_there_before_is_called_too() -> None:
    status, out, _ = end(f"import atexit; atexit.register(print, 'coverage'); {START}main()", "--version")
    assert (status, out.splitlines()[1:]) == (0, ["coverage"])


def test_a_thread_is_waited_for() -> None:
    status, out, _ = end(
        f"{START}import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.3), print('done'))).start(); main()",
        "--version",
    )
    assert (status, out.splitlines()[1:]) == (0, ["done"])


def test_a_full_disk_is_told() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", f"{START}main()", "--version"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr


EXITS = """
import sys
from torchx.specs import AppDef

def job() -> AppDef:
    sys.exit(5)

def create(session_name, **kwargs):
    sys.exit(5)
"""


@pytest.mark.parametrize(
    ("argv", "status", "told"),
    [
        (["run", "-s", "local_cwd", "acme_exits.py:job"], 5, "component `acme_exits.py:job` called sys.exit(5)"),
        (["run", "-s", "exits", "utils.echo"], 1, "the factory of scheduler `exits` called sys.exit(5)"),
    ],
    ids=["component", "factory"],
)
def test_code_of_others_that_exits_is_told(
    cli: Cli, site: Site, workdir: Path, argv: list[str], status: int, told: str
) -> None:
    site.add(
        "acme-exits",
        modules={"acme_exits": EXITS},
        entry_points={"torchx.schedulers": {"exits": "acme_exits:create"}},
    )
    (workdir / "acme_exits.py").write_text(EXITS)
    done = cli(*argv)
    assert done.code == status
    assert done.error.startswith(told)


def test_full_disk_is_told_of_logs_too(torchx: Cli) -> None:
    handle = torchx("run", "-s", "local_cwd", "utils.echo").lines[0]
    with open("/dev/full", "w") as full:
        done = subprocess.run([*TORCHX, "log", handle], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: cannot write to standard output: No space left on device\n")


def test_numbers_that_json_lacks_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"loss": float("nan"), "all": [float("inf"), -float("inf"), 1.5]}, indent=None)
    assert capsys.readouterr().out == '{"loss": "NaN", "all": ["Infinity", "-Infinity", 1.5]}\n'
