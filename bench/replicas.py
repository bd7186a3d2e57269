"""Many replicas: against a bare loop that starts and reaps the same processes, and what they cost when they sleep."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from bench.timing import TORCHX, Row, compare, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

BARE_LOOP = """
import subprocess, sys
running = [subprocess.Popen(["echo", "hello world"], stdout=subprocess.DEVNULL) for _ in range(int(sys.argv[1]))]
for process in running:
    process.wait()
"""


def run(rounds: int = 7) -> Iterator[Row]:
    """100 and 400 replicas of ``echo``, then the CPU time of 200 sleeping ones."""
    with tempfile.TemporaryDirectory() as home:
        env = {"TORCHX_HOME": home}
        for count in (100, 400):
            echo = [TORCHX, "run", "-s", "local_cwd", "utils.echo", "--num_replicas", str(count)]
            yield compare(
                f"{count} replicas of echo, end to end, to a bare loop",
                lambda echo=echo: seconds(echo, env),  # type: ignore[misc]  # a default keeps the loop's value
                lambda count=count: seconds([sys.executable, "-c", BARE_LOOP, str(count)]),  # type: ignore[misc]
                target=2.0,
                rounds=rounds,
            )
        yield _idle(env)


def _idle(env: dict[str, str], replicas: int = 200, window: float = 5.0) -> Row:
    """CPU seconds of launcher, supervisor and guardian while all replicas sleep."""
    sleep = [TORCHX, "run", "-s", "local_cwd", "utils.sh", "--num_replicas", str(replicas), "sleep", "1000"]
    with subprocess.Popen(
        sleep, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **env}
    ) as launcher:
        assert launcher.stdout is not None
        handle = launcher.stdout.readline().decode().strip()
        time.sleep(1)  # let the start settle: only the idle time is to be measured
        watchers = [launcher.pid, *_pids_named("torchx-supervis"), *_pids_named("torchx-guardian")]
        begin = sum(map(_cpu_seconds, watchers))
        time.sleep(window)
        used = sum(map(_cpu_seconds, watchers)) - begin
        subprocess.run([TORCHX, "cancel", handle], check=True, env={**os.environ, **env}, stdout=subprocess.DEVNULL)
        launcher.wait()
    return Row(
        f"CPU seconds in {window:g} s of {replicas} sleeping replicas, to 0.05", used / 0.05, 1.0, f"{used:.3f} s"
    )


def _pids_named(title: str) -> list[int]:
    found = subprocess.run(["pgrep", "-f", f"^{title}"], capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in found.split()]


def _cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
