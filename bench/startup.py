"""What it costs to start: imports, help, a dry run, and a job from end to end, in starts of the bare interpreter."""

from __future__ import annotations

import sys
import tempfile
from typing import TYPE_CHECKING

from bench.timing import TORCHX, Row, compare, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

BARE = [sys.executable, "-c", "pass"]

CASES = {
    "import torchx.specs": ([sys.executable, "-c", "import torchx.specs"], 2.5),
    "torchx --help": ([TORCHX, "--help"], 3.0),
    "dry run of utils.echo": ([TORCHX, "run", "-s", "local_cwd", "--dryrun", "utils.echo"], 4.0),
    "torchx run utils.echo, end to end": ([TORCHX, "run", "-s", "local_cwd", "utils.echo"], 6.0),
}


def run(rounds: int = 21) -> Iterator[Row]:
    """Measures each case against ``python -c pass``."""
    with tempfile.TemporaryDirectory() as home:
        env = {"TORCHX_HOME": home}
        for name, (command, target) in CASES.items():
            yield compare(
                name,
                lambda command=command: seconds(command, env),  # type: ignore[misc]  # a default keeps the loop's value
                lambda: seconds(BARE, env),
                target=target,
                rounds=rounds,
            )
