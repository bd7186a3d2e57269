"""How the program ends: quickly, with the right status, and with nothing left out."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
