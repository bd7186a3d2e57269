"""The program that runs another one for a limited time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from torchx.apps.utils.process_monitor import TIMEOUT_EXIT_CODE, parse_args

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMIT = 60.0


def _start(*argv: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torchx.apps.utils.process_monitor", "--poll_rate", "0.05", *argv]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _end(*argv: str) -> tuple[int, str, str]:
    with _start(*argv) as process:
        out, err = process.communicate(timeout=LIMIT)
        return process.returncode, out, err


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_arguments() -> None:
    args = parse_args(["--timeout", "3", "--start_on_file=a", "--", "prog", "--timeout", "x", "--"])
    assert (args.timeout, args.start_on_file, args.exit_on_file) == (3, "a", "")
    assert args.entrypoint == ["prog", "--timeout", "x", "--"]


@pytest.mark.parametrize(
    "argv", [[], ["--"], ["--timeout", "-1", "x"], ["--timeout", "nan", "x"], ["--timeout", "x", "y"]]
)
def test_wrong_arguments_are_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_args(argv)
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "status"),
    [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 128 + signal.SIGTERM)],
    ids=["success", "failure", "signal"],
)
def test_the_status_is_the_programs(code: str, status: int) -> None:
    assert _end("--", "sh", "-c", f"echo out; {code}") == (status, "out\n", "")


def test_a_program_that_does_not_exist_is_told() -> None:
    status, _, err = _end("--", "no-such-program")
    assert status == 1
    assert err == "error: cannot start `no-such-program`: No such file or directory\n"


def test_the_program_ends_when_the_time_is_over() -> None:
    status, out, _ = _end("--timeout", "0.2", "--", "sh", "-c", "echo $$; exec sleep 1000")
    assert status == TIMEOUT_EXIT_CODE == 34
    with pytest.raises(ProcessLookupError):
        os.kill(int(out), 0)


def test_the_program_starts_and_ends_with_the_files(tmp_path: Path) -> None:
    start, exit_, ran = tmp_path / "start", tmp_path / "exit", tmp_path / "ran"
    files = [f"--start_on_file=file://{start}", f"--exit_on_file={exit_}"]
    with _start(*files, "--", "sh", "-c", f"touch {ran}; exec sleep 1000") as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert not ran.exists()
        start.touch()
        _until(ran.exists)
        assert process.poll() is None
        exit_.touch()
        assert process.wait(LIMIT) == 0


def test_waiting_for_the_start_ends_with_the_time(tmp_path: Path) -> None:
    status, out, _ = _end("--timeout", "0.2", f"--start_on_file={tmp_path}/never", "--", "echo", "x")
    assert (status, out) == (TIMEOUT_EXIT_CODE, "")


def test_a_signal_reaches_the_program(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = f"trap 'echo got; exit 5' TERM; touch {ready}; while :; do sleep 0.05; done"
    with _start("--", "sh", "-c", code) as process:
        _until(ready.exists)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (5, "got\n")
