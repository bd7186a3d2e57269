"""A short text that changes when a workspace may have changed, from what a ``stat`` of each file tells."""

from __future__ import annotations

import hashlib
import marshal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchx_docker.workspace.tarstream import Contents

#: A change within this time (ns) after the newest known one could carry the same time stamp: file systems stamp with
#: the kernel's tick, a few with whole seconds.
_TICK = 100_000_000
_COARSE_TICK = 2_000_000_000


def fingerprint(contents: Contents) -> str:
    """The text for a workspace; empty where a change could go unnoticed because the last one was only just made.

    Size, time and permissions of each file count, and the time of the newest change of any kind (``ctime``), which
    programs can't set back.
    """
    newest = contents.manifest.newest
    tick = _TICK if newest % 1_000_000_000 else _COARSE_TICK
    if contents.started - newest < tick:
        return ""
    seen = hashlib.sha256(repr(newest).encode())
    for place, folder in contents.manifest.folders.items():
        # The fastest way to bytes; version 2 does not depend on what else refers to the values.
        seen.update(marshal.dumps((place, folder.mode, folder.files, folder.links), 2))
    return seen.hexdigest()
