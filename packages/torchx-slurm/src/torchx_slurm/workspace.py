"""Workspaces of Slurm jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchx.schedulers.batch.dir_workspace import BatchDirWorkspace
from torchx.workspace.api import MultiWorkspaceMixin, WorkspaceMixin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx.specs import CfgVal


class SlurmDirWorkspace(BatchDirWorkspace):
    """The ``dir`` workspace; with the option ``container`` images are run, and find the workspace's copy mounted."""

    def keeps_image(self, cfg: Mapping[str, CfgVal]) -> bool:
        return bool(cfg.get("container"))


class SlurmWorkspaceMixin(MultiWorkspaceMixin):
    """The workspaces of the ``slurm`` scheduler: ``dir``, and the image builders that are installed."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._builders: dict[str, WorkspaceMixin[Any]] = {}

    def workspace_builders(self) -> Mapping[str, WorkspaceMixin[Any]]:
        """The builders by name, always the same ones: they know what they have built until it is pushed."""
        if not self._builders:
            self._builders = {**super().workspace_builders(), "dir": SlurmDirWorkspace()}
        return self._builders
