"""The ``slurm`` scheduler, which ``torchx-slurm`` brings; this is its documented path."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchx_slurm.scheduler import *  # noqa: F403
else:
    from torchx._alias import alias

    alias(__name__, target="torchx_slurm.scheduler", dist="torchx-slurm")
