"""A short text that changes when a workspace may have changed, from what a ``stat`` of each file tells."""

from __future__ import annotations

import hashlib
import marshal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchx_docker.workspace.tarstream import Contents


def fingerprint(contents: Contents) -> str:
    """The text for a workspace; empty where a change could go unnoticed because the last one was only just made.

    Size, time and permissions of each file count, the time of the newest change of any kind (``ctime``), which programs
    can't set, and which folders these are: two archives that are unpacked at once may show the same times.
    """
    from torchx.workspace.record import roots_of
    from torchx.workspace.unchanged import tick

    newest = contents.manifest.newest
    if contents.started - newest < tick(newest):
        return ""
    seen = hashlib.sha256(repr((newest, roots_of(contents.projects))).encode())
    for place, folder in contents.manifest.folders.items():
        # The fastest way to bytes; version 2 does not depend on what else refers to the values.
        seen.update(marshal.dumps((place, folder.mode, folder.files, folder.links), 2))
    return seen.hexdigest()
