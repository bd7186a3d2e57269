"""Workspaces on the machine where the job runs: used where they are, put together only where they have to be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchx.specs import Workspace


def workspace_folder(workspace: Workspace) -> str:
    """The local folder that holds a workspace.

    Args:
        workspace: one local folder is used as it is, what its ignore file excludes included. Several projects, a
            mapped one, a single file or a URL are copied to a folder under ``$TORCHX_HOME``, always the same one for
            the same workspace, where only what has changed is copied again.

    Raises:
        WorkspaceError: it does not exist, can't be read, or holds what must not be in a workspace.
    """
    from torchx.workspace.projects import is_remote
    from torchx.workspace.walk import local_root

    if workspace.is_unmapped_single_project():
        path = next(iter(workspace.projects))
        if not is_remote(path) and not os.path.isfile(path.removeprefix("file://")):
            return local_root(path)
    return _put_together(workspace)


def _put_together(workspace: Workspace) -> str:
    import hashlib

    from torchx.specs import TORCHX_HOME
    from torchx.workspace.assemble import publish

    # Of a relative path another current folder makes another workspace.
    key = "\0".join([os.getcwd(), *(part for project in workspace.projects.items() for part in project)])
    parent = TORCHX_HOME("local_workspaces")
    os.makedirs(parent, mode=0o700, exist_ok=True)
    folder = os.path.join(parent, hashlib.sha256(os.fsencode(key)).hexdigest()[:16])
    publish(workspace, folder)
    return folder
