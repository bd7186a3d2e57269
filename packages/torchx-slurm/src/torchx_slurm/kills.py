"""What ``srun`` tells of tasks that were out of memory: at once, and also where there is no accounting."""

from __future__ import annotations

import re

from torchx.schedulers.batch.kills import Kill
from torchx_slurm.nodes import expanded

_OUT_OF_MEMORY = re.compile(r"^srun: error: (\S+): tasks? ([0-9,-]+): Out Of Memory", re.MULTILINE)

_MOST = 100_000
"""So many tasks of a range are told apart at most."""


def kills(log: str) -> list[Kill]:
    """The tasks of which ``srun`` says that they were out of memory.

    >>> kills("srun: error: n[1-2]: tasks 0,2-3: Out Of Memory")
    [Kill(hosts=('n1', 'n2'), replicas=(0, 2, 3), why='out of memory')]
    """
    found = _OUT_OF_MEMORY.finditer(log)
    return [Kill(tuple(expanded(line[1])), tuple(_numbers(line[2])), "out of memory") for line in found]


def _numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        if first.isdigit() and (last or first).isdigit():
            numbers += range(int(first), min(int(last or first), int(first) + _MOST) + 1)
    return numbers
