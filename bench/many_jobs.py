"""Ten thousand finished jobs: the status of one must not notice the others, and a list must begin at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.timing import TORCHX, Row, compare, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator


def run(rounds: int = 11) -> Iterator[Row]:
    """``torchx status`` among 10,000 and among 10 jobs; the first row of ``torchx list`` to all rows."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few"), Path(folder, "many")
        handle = _run_one(few)
        _copy_jobs(few, 9)
        shutil.copytree(few, many)
        _copy_jobs(many, 9_990)
        yield compare(
            "torchx status among 10,000 finished jobs, to among 10",
            lambda: seconds([TORCHX, "status", handle], {"TORCHX_HOME": str(many)}),
            lambda: seconds([TORCHX, "status", handle], {"TORCHX_HOME": str(few)}),
            target=1.5,
            rounds=rounds,
        )
        first, everything = _list_times(many)
        yield Row(
            "first row of torchx list of 10,000 jobs, to all rows", first / everything, 0.5,
            f"{first * 1000:.0f} ms to {everything * 1000:.0f} ms",
        )  # fmt: skip


def _run_one(home: Path) -> str:
    command = [TORCHX, "run", "-s", "local_cwd", "utils.echo"]
    env = {**os.environ, "TORCHX_HOME": str(home)}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.strip()


def _copy_jobs(home: Path, count: int) -> None:
    """Multiplies the one job of a home, each copy with an id of its own."""
    original = next((home / "local").iterdir())
    request = json.loads((original / "request.json").read_text())
    for number in range(len(os.listdir(home / "local")) - 1, len(os.listdir(home / "local")) - 1 + count):
        copy = original.with_name(f"copy-{number:05d}")
        copy.mkdir()
        (copy / "request.json").write_text(json.dumps({**request, "app_id": copy.name}))
        shutil.copy(original / "state.json", copy / "state.json")


def _list_times(home: Path) -> tuple[float, float]:
    """Seconds until the first row, and until the last."""
    begin = time.perf_counter()
    command = [TORCHX, "list", "-s", "local_cwd"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "TORCHX_HOME": str(home)}) as listing:
        assert listing.stdout is not None
        listing.stdout.readline()
        first = time.perf_counter() - begin
        rows = 1 + sum(1 for _ in listing.stdout)
    assert rows >= 10_000, f"{rows} rows"
    return first, time.perf_counter() - begin
