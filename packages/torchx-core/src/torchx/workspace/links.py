"""Links inside a workspace: kept where they stay inside, refused by name where they lead out."""

from __future__ import annotations

import os

from torchx.workspace.errors import UnsafeWorkspaceError


def safe_target(root: str, folder: str, name: str) -> str:
    """The target with which a link can be carried into an image.

    Args:
        root: the workspace's real path.
        folder: the link's folder, relative to ``root``, reached without following a link; empty for the root.
        name: the link's name.

    Returns:
        the target as it stands, dangling or not, if it stays inside the workspace all the way; a relative one if it
        only ends inside (an absolute path, or one that leaves the workspace by name and comes back).

    Raises:
        UnsafeWorkspaceError: it leads out of the workspace.
    """
    rel = f"{folder}/{name}" if folder else name
    here = os.path.join(root, folder)
    target = os.readlink(os.path.join(here, name))
    real = os.path.realpath(os.path.join(here, target))
    if real != root and not real.startswith(root.rstrip("/") + "/"):
        raise UnsafeWorkspaceError(
            f"`{rel}` in workspace `{root}` is a link to `{target}`, which is outside the workspace",
            path=rel,
            hint=f"add `{rel}` to .torchxignore, or put a copy of what it points to in its place",
        )
    if not os.path.isabs(target) and _stays_inside(folder, target):
        return target
    return os.path.relpath(real, here)


def _stays_inside(folder: str, target: str) -> bool:
    depth = len(folder.split("/")) if folder else 0
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            return False
    return True
