"""A million log lines of one replica, against a Python loop that reads the same file and prefixes every line."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.timing import TORCHX, Row, compare, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = 1_000_000

LOOP = """
import sys
with open(sys.argv[1]) as lines:
    for line in lines:
        sys.stdout.write("sh/0 " + line)
"""


def run(rounds: int = 5) -> Iterator[Row]:
    """Time, then whether every line came once, and the launcher's memory for a hundred times the lines."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"TORCHX_HOME": os.path.join(folder, "home")}
        path = Path(folder, "lines")
        path.write_text("".join(f"{i} the quick brown fox jumps over\n" for i in range(LINES)))
        job = [TORCHX, "run", "-s", "local_cwd", "utils.sh", "cat", str(path)]
        yield compare(
            f"{LINES} log lines through torchx run, to a loop that reads and prefixes",
            lambda: seconds(job, env),
            lambda: seconds([sys.executable, "-c", LOOP, str(path)]),
            target=2.0,
            rounds=rounds,
            unit="s",
        )
        wanted = hashlib.sha256(b"".join(b"sh/0 " + line for line in path.read_bytes().splitlines(True))).hexdigest()
        shown = subprocess.run(job, check=True, capture_output=True, env={**os.environ, **env}).stderr
        got = b"".join(line for line in shown.splitlines(True) if line.startswith(b"sh/0 "))
        same = hashlib.sha256(got).hexdigest() == wanted
        yield Row("lines cut, lost or doubled", 0.0 if same else 1.0, 0.0, "compared byte by byte")
        small = Path(folder, "few")
        small.write_text("one line\n")
        few = _memory([*job[:-1], str(small)], env)
        many = _memory(job, env)
        yield Row(f"launcher's memory with {LINES} lines, to one line", many / few, 1.25, f"{many} MiB to {few} MiB")


def _memory(command: list[str], env: dict[str, str]) -> int:
    """Peak memory of one command in MiB, the largest of its processes."""
    code = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], check=True, capture_output=True, text=True, env={**os.environ, **env}
    )
    return int(done.stdout) // (1024 if sys.platform != "darwin" else 1024 * 1024)
