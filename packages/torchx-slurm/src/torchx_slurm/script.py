"""The batch script: ``job.sh``, followed by what is the job's own, as words that its functions get.

It starts the replicas of all roles, ends the job when one has failed, or has it run again.
"""

from __future__ import annotations

import os
from functools import lru_cache

from torchx.util.light_dataclass import dataclass
from torchx.util.shlex import join, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FUNCTIONS = os.path.join(os.path.dirname(__file__), "job.sh")
"""The shell code that all jobs have in common."""


@dataclass
class RoleStep:
    """How the replicas of a role are started.

    Attributes:
        srun: the options of ``srun``.
        logs: the folder of the role's logs.
        restarts: how often the role is started again in its place.
        requeues: how often its failure puts the job back into the queue.
    """

    srun: list[str]
    logs: str
    restarts: int = 0
    requeues: int = 0


def batch_script(steps: Sequence[RoleStep], *, folder: str) -> str:
    """The script of a job.

    Args:
        steps: one for each role, in the order of the job's components.
        folder: the job's folder.
    """
    several = len(steps) > 1
    lines = [f"torchx_begin {quote(folder)}"]
    for index, step in enumerate(steps):
        nodes = f'"$SLURM_JOB_NODELIST_HET_GROUP_{index}"' if several else '"$SLURM_JOB_NODELIST"'
        numbers = f"{quote(step.logs)} {int(step.restarts)} {int(step.requeues)}"
        group = [f"--het-group={index}"] if several else []
        lines.append(f"torchx_role {index} {nodes} {numbers} {join(['srun', *group, *step.srun])}")
    return "\n".join([_functions(), *lines, "torchx_end"]) + "\n"


@lru_cache(maxsize=1)
def _functions() -> str:
    with open(FUNCTIONS, encoding="ascii") as file:
        return file.read()
