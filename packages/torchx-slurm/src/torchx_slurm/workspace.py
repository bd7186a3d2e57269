"""Workspaces of Slurm jobs."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from torchx.errors import TorchXError
from torchx.schedulers.batch.dir_workspace import BatchDirWorkspace
from torchx.workspace.api import MultiWorkspaceMixin, WorkspaceMixin
from torchx.workspace.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx.specs import CfgVal, Role, Workspace

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk that is full, or as full as the user may make it."""


class SlurmDirWorkspace(BatchDirWorkspace):
    """The ``dir`` workspace; with the option ``container`` images are run, and find the workspace's copy mounted."""

    def keeps_image(self, cfg: Mapping[str, CfgVal]) -> bool:
        return bool(cfg.get("container"))

    def _update(
        self, role: Role, workspace: Workspace, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        try:
            super()._update(role, workspace, cfg, build_cache)
        except TorchXError as error:
            if error.hint is None and any(os.strerror(code) in error.message for code in NO_ROOM):
                error.hint = _hint(error, cfg)
            raise


def _hint(error: TorchXError, cfg: Mapping[str, CfgVal]) -> str:
    """What to do about a full disk: the error may name no more than the file that was copied."""
    import tempfile

    if cfg.get("ssh_host") and isinstance(error, WorkspaceError):  # what is sent is put together on this machine
        return f"make room in `{tempfile.gettempdir()}`, or name another folder with the variable TMPDIR"
    return f"the disk of `{cfg.get('job_dir')}` is full: name another folder on the shared file system with job_dir"


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
