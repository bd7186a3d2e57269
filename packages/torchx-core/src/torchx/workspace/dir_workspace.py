"""Workspaces for schedulers whose nodes share a file system: the image is a folder, a copy of the workspace."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from torchx.workspace.api import WorkspaceMixin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx.specs import CfgVal, Role, Workspace

ROLES = ".torchx-roles"
"""Folder in ``job_dir`` for the workspaces of further roles; a name that no workspace has a folder of."""


class DirWorkspaceMixin(WorkspaceMixin[None]):
    """Copies the workspace into the folder that the option ``job_dir`` names; nothing where it is not set.

    The copy keeps contents, permissions, links inside the workspace and empty folders, and leaves out what
    ``.torchxignore`` excludes. Submitting again into the same folder brings it up to date and leaves a job's outputs
    in it alone; an unchanged workspace costs one ``stat`` per file and copies nothing.

    Roles with the same workspace share the folder. Where roles of one app have different workspaces, the first gets
    ``job_dir`` itself and each further workspace ``job_dir/.torchx-roles/<role name>``, where it meets no folder of the
    first.
    """

    def build_workspace_and_update_role(self, role: Role, workspace: str, cfg: Mapping[str, CfgVal]) -> None:
        """Copies ``workspace`` into ``cfg["job_dir"]`` and sets ``role.image`` to it.

        Args:
            role: the role to change.
            workspace: path or fsspec URL of the folder to copy.
            cfg: the scheduler's options; without ``job_dir`` nothing is done.

        Raises:
            WorkspaceError: the workspace does not exist, can't be read, holds what can't be carried along (a link out
                of it, a socket, a device), or ``job_dir`` can't be written.
        """
        from torchx.specs import Workspace

        job_dir = _job_dir(cfg)
        if job_dir:
            _publish_for(role, Workspace({workspace: ""}), job_dir)

    def caching_build_workspace_and_update_role(
        self, role: Role, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        """Copies the role's workspace, once for all roles that share it; see the class."""
        if type(self).build_workspace_and_update_role is not DirWorkspaceMixin.build_workspace_and_update_role:
            super().caching_build_workspace_and_update_role(role, cfg, build_cache)
            return
        job_dir = _job_dir(cfg)
        if not role.workspace or not job_dir:
            return
        key = (DirWorkspaceMixin, job_dir, role.workspace)
        image = build_cache.get(key)
        if isinstance(image, str):
            role.image = image
            return
        if build_cache.setdefault((DirWorkspaceMixin, job_dir), key) != key:
            from torchx.util.folder_names import folder_name

            job_dir = os.path.join(job_dir, ROLES, folder_name(role.name))
        _publish_for(role, role.workspace, job_dir)
        build_cache[key] = role.image


class TmpDirWorkspaceMixin(WorkspaceMixin[None]):
    """Copies the workspace into a new temporary folder; for trying things out, and for tests.

    The folder stays until somebody removes it: the job needs it.
    """

    def build_workspace_and_update_role(self, role: Role, workspace: str, cfg: Mapping[str, CfgVal]) -> None:
        """Copies ``workspace`` into a new temporary folder and sets ``role.image`` to it.

        Args:
            role: the role to change.
            workspace: path or fsspec URL of the folder to copy.
            cfg: not used.

        Raises:
            WorkspaceError: as for :class:`DirWorkspaceMixin`.
        """
        import shutil
        import tempfile

        from torchx.specs import Workspace
        from torchx.workspace.assemble import assemble

        image = tempfile.mkdtemp(prefix="torchx-workspace-")
        try:
            assemble(Workspace({workspace: ""}), image)
        except BaseException:
            shutil.rmtree(image, ignore_errors=True)
            raise
        role.image = image


def _job_dir(cfg: Mapping[str, CfgVal]) -> str | None:
    job_dir = cfg.get("job_dir")
    if not job_dir:
        return None
    path = os.path.expanduser(str(job_dir).removeprefix("file://"))
    return path if os.path.isabs(path) else os.path.abspath(path)


def _publish_for(role: Role, workspace: Workspace, job_dir: str) -> None:
    from torchx.workspace.assemble import publish

    publish(workspace, job_dir)
    role.image = job_dir
