"""Workspaces: how local code reaches a job's image without a manual rebuild.

A scheduler gains workspaces by listing a :class:`WorkspaceMixin` first among its bases.
"""

from __future__ import annotations

from torchx.workspace.api import MultiWorkspaceMixin, WorkspaceMixin, pin_workspace_images, walk_workspace

__all__ = ["MultiWorkspaceMixin", "WorkspaceMixin", "pin_workspace_images", "walk_workspace"]
