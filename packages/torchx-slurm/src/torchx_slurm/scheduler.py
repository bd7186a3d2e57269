"""The ``slurm`` scheduler."""

from __future__ import annotations

from torchx.schedulers.batch.scheduler import BatchScheduler
from torchx_slurm.client import SlurmClient
from torchx_slurm.errors import SlurmError
from torchx_slurm.opts import Opts, check_options
from torchx_slurm.request import SlurmBatchRequest, SlurmRoleRequest, build_request
from torchx_slurm.status import SLURM_STATES
from torchx_slurm.workspace import SlurmWorkspaceMixin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torchx.schedulers.batch.commands import Commands
    from torchx.specs.api import AppDef, AppDryRunInfo, CfgVal, runopts

__all__ = [
    "SLURM_STATES",
    "Opts",
    "SlurmBatchRequest",
    "SlurmError",
    "SlurmOpts",
    "SlurmRoleRequest",
    "SlurmScheduler",
    "create_scheduler",
]

SlurmOpts = Opts


class SlurmScheduler(SlurmWorkspaceMixin, BatchScheduler):
    """Jobs of a Slurm cluster, submitted from a login node, or over SSH from anywhere.

    A role is a component of a heterogeneous job (a job of one role is a plain one), and its replicas are tasks of it.
    The app id is Slurm's job id.

    Args:
        session_name: name of the runner's session.
        ssh_host: login node for jobs that were not submitted from this machine; None: Slurm's commands here.
    """

    def __init__(self, session_name: str, ssh_host: str | None = None, **kwargs: object) -> None:
        super().__init__("slurm", session_name, host=ssh_host)

    def _run_opts(self) -> runopts:
        opts = Opts.as_runopts()
        # The names under which they are documented; mail_user and mail_type are understood as well.
        opts.add("mail-user", type_=str, help="Who gets mail about the job (sbatch --mail-user).")
        opts.add("mail-type", type_=str, help="What there is mail about, e.g. END,FAIL (sbatch --mail-type).")
        return opts

    def _pre_build_validate(self, app: AppDef, scheduler: str, cfg: Mapping[str, CfgVal]) -> None:
        check_options(Opts.from_cfg(cfg))

    def _submit_dryrun(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> AppDryRunInfo[Any]:
        if cfg.get("workspace_type") == "dir":
            return super()._submit_dryrun(app, cfg)
        import copy

        app = copy.deepcopy(app)
        builder, images = self.dryrun_push_images(app, cfg)
        info = super()._submit_dryrun(app, cfg)
        info.request.push = (builder, images) if images else None
        return info

    def schedule(self, dryrun_info: AppDryRunInfo[Any]) -> str:
        """Pushes the images that were built for the job, and submits it; see `BatchScheduler.schedule`."""
        if dryrun_info.request.push is not None:
            self.push_images(dryrun_info.request.push)
        return super().schedule(dryrun_info)

    def system(self, commands: Commands) -> SlurmClient:
        return SlurmClient(commands)

    def build_request(self, app: AppDef, cfg: Mapping[str, CfgVal], *, key: str, folder: str) -> SlurmBatchRequest:
        return build_request(app, cfg, key=key, folder=folder)


def create_scheduler(session_name: str, ssh_host: str | None = None, **kwargs: object) -> SlurmScheduler:
    """Makes the ``slurm`` scheduler.

    Args:
        session_name: name of the runner's session.
        ssh_host: login node for jobs that were not submitted from this machine; also ``TORCHX_SSH_HOST``.
    """
    return SlurmScheduler(session_name, ssh_host)
