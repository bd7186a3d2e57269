"""Times whole processes side by side, so that a machine that gets slower meanwhile slows both."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TORCHX = str(Path(sys.executable).with_name("torchx"))

Command = Sequence[str]


@dataclass(frozen=True)
class Row:
    """One line of a benchmark's table.

    Attributes:
        name: what was measured.
        ratio: ours to the other's, medians; smaller is better.
        target: what the ratio must not exceed.
        detail: both medians.
    """

    name: str
    ratio: float
    target: float
    detail: str

    def __str__(self) -> str:
        verdict = "ok  " if self.ratio <= self.target else "OVER"
        return f"{verdict}  {self.ratio:8.2f}  (<= {self.target:g})  {self.name}  [{self.detail}]"


def seconds(command: Command, env: Mapping[str, str] | None = None) -> float:
    """Wall-clock seconds of one run; its output is read and thrown away.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    begin = time.perf_counter()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
    )  # fmt: skip
    return time.perf_counter() - begin


def compare(
    name: str, ours: Callable[[], float], other: Callable[[], float], *, target: float, rounds: int, unit: str = "ms"
) -> Row:
    """Runs both in turn and compares the medians.

    Args:
        name: what is measured.
        ours, other: each returns the seconds of one run.
        target: the highest ratio that is good.
        rounds: runs of each, after one that does not count.
        unit: of the detail.
    """
    ours(), other()
    pairs = [(ours(), other()) for _ in range(rounds)]
    mine, its = (statistics.median(times) for times in zip(*pairs, strict=True))
    scale = {"ms": 1000, "s": 1}[unit]
    return Row(name, mine / its, target, f"{mine * scale:.1f} {unit} to {its * scale:.1f} {unit}")
