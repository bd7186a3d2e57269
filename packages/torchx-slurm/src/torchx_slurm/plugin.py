"""What ``torchx-slurm`` adds to TorchX. Hooks only: this module is imported by every ``torchx`` command."""

from __future__ import annotations

from torchx.plugins import SchedulerPlugin, hookimpl


@hookimpl
def torchx_schedulers() -> list[SchedulerPlugin]:
    return [
        SchedulerPlugin(
            name="slurm",
            factory="torchx_slurm.scheduler:create_scheduler",
            summary="a Slurm cluster, from a login node or over SSH",
        )
    ]
