"""Nobody else on the machine can read the secrets of a local job."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.core.cli.support import eventually
from tests.core.secrets.canaries import CANARY, job
from torchx.cli.job_json import parse_job
from torchx.specs import AppDef, AppState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchx.runner import Runner

WAITS = "echo ready; exec sleep 60"


def app(code: str) -> AppDef:
    """The job without secrets in its arguments: those every process shows."""
    described = job("sh", code)
    described["roles"][0]["args"] = ["-c", code]
    made = parse_job(json.dumps(described)).app
    assert made is not None
    return made


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Path to permissions of all that is below a folder, and of itself."""
    found = [folder, *folder.rglob("*")]
    return {str(path): stat.S_IMODE(path.lstat().st_mode) for path in found}


@pytest.mark.parametrize("log_dir", ["", "deep/logs"], ids=["own logs", "log_dir"])
def test_records_and_logs_are_the_owners_alone(runner: Runner, tmp_path: Path, workdir: Path, log_dir: str) -> None:
    cfg = {"log_dir": str(tmp_path / log_dir)} if log_dir else None
    running = str(runner.run(app(WAITS), "local_cwd", cfg))
    ended = str(runner.run(app("echo done; exit 1"), "local_cwd", cfg))
    runner.wait(ended)
    next(iter(runner.log_lines(running, "worker", should_tail=True)))
    folders = [tmp_path / "torchx_home"] + ([tmp_path / "deep"] if log_dir else [])
    found = {path: mode for folder in folders for path, mode in modes(folder).items()}
    runner.cancel(running)
    status = runner.wait(running)
    assert status is not None
    assert status.state is AppState.CANCELLED
    found |= {path: mode for folder in folders for path, mode in modes(folder).items()}
    names = {os.path.basename(path) for path in found}
    assert {"request.json", "state.json", "cancel", "combined.log", "stdout.log", "supervisor.log"} <= names
    wrong = {path: oct(mode) for path, mode in found.items() if mode != (0o700 if os.path.isdir(path) else 0o600)}
    assert wrong == {}


def test_process_list_shows_no_secret(runner: Runner) -> None:
    handle = str(runner.run(app(WAITS), "local_cwd"))
    next(iter(runner.log_lines(handle, "worker", should_tail=True)))
    app_id = handle.rpartition("/")[2]

    def supervised() -> str:
        shown = subprocess.run(["ps", "axww"], capture_output=True, text=True, timeout=30, check=True).stdout
        return shown if app_id in shown else ""

    assert CANARY not in eventually(supervised)


def test_folder_that_was_there_keeps_its_mode(runner: Runner, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    handle = str(runner.run(app("true"), "local_cwd", {"log_dir": str(shared)}))
    runner.wait(handle)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert modes(shared / handle.rpartition("/")[2]).get(str(shared / handle.rpartition("/")[2])) == 0o700
