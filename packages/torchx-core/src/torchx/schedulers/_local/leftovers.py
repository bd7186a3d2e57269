"""What a killed ``schedule`` or ``delete`` has left in the folder of all jobs: half a job, on its way in or out."""

from __future__ import annotations

import os
import time

from torchx.schedulers._local.files import DRAFT_PREFIX, REQUEST_FILE

STALE_AFTER = 3600.0
"""Seconds after which nobody can be at work in such a folder any more: both take less than a second as a rule."""


def clear_stale(entry: os.DirEntry[str]) -> None:
    """Removes half a job if it is old and its owner is gone; failing that it stays for the next one who looks."""
    try:
        stat = entry.stat(follow_symlinks=False)
        # The time of the inode's change as well: renaming a folder does not change the time of its content.
        if time.time() - max(stat.st_mtime, stat.st_ctime) < STALE_AFTER or not entry.is_dir(follow_symlinks=False):
            return
        if entry.name.startswith(DRAFT_PREFIX) and _may_be_in_use(entry.path):
            return
    except OSError:  # somebody else has removed it
        return
    import shutil

    shutil.rmtree(entry.path, ignore_errors=True)


def _may_be_in_use(draft: str) -> bool:
    """Whether the process that makes this folder may live: it runs here, or on another machine of a shared folder."""
    import json

    from torchx.schedulers._local import proctree

    try:
        with open(os.path.join(draft, REQUEST_FILE), "rb") as file:
            record = json.load(file)
        host, (pid, start) = record["host"], record["submitter"]
    except (OSError, ValueError, KeyError, TypeError):  # killed before it was written
        return False
    return bool(host != os.uname().nodename or proctree.is_alive(pid, start))
