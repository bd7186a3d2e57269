"""The quick look whether a workspace has changed since it was copied: one ``stat`` per file, made by ``find``.

Where there is no GNU ``find`` the answer is "perhaps", and the workspace is compared file by file.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchx.workspace.projects import Project
    from torchx.workspace.record import Record

#: With more folders than this to leave out, the command line would grow too long.
MAX_PRUNED = 500
#: A change within this time (ns) after the newest known one could carry the same time stamp as that one: file systems
#: stamp with the kernel's tick, a few with whole seconds.
_TICK = 100_000_000
_COARSE_TICK = 2_000_000_000
_TIMEOUT = 60
_GLOB = str.maketrans({char: f"\\{char}" for char in "*?[\\"})


def surely_unchanged(target: str, projects: Sequence[Project], record: Record) -> bool:
    """Whether neither the workspace nor the folders of its copy have changed since the record was made.

    The time of a file's last change of any kind (``ctime``) can't be set back by programs; one that is newer than the
    newest that the record knows means a change. This holds on servers whose clock differs from ours, too. Files that
    somebody has edited in the copy are not looked at: that would be a second ``stat`` for each.

    Args:
        target: the copy's real path.
        projects: the workspace's projects.
        record: the record of the copy.

    Returns:
        False where there is, or may be, a change.
    """
    newest = record.head["newest"]
    tick = _TICK if newest % 1_000_000_000 else _COARSE_TICK
    if record.head["started"] - newest < tick or len(record.head["pruned"]) > MAX_PRUNED:
        return False
    return (
        record.has_rules_of(projects)
        and _copy_stands(target, record)
        and _nothing_newer(projects, newest, record.head["pruned"])
    )


def _copy_stands(target: str, record: Record) -> bool:
    for place, (device, inode, changed, mode) in record.head["stamps"].items():
        try:
            found = os.lstat(f"{target}/{place}")
        except OSError:
            return False
        if (found.st_dev, found.st_ino, found.st_mode) != (device, inode, mode) or not stat.S_ISDIR(found.st_mode):
            return False
        if found.st_mtime_ns != changed:
            return False
    return True


def _nothing_newer(projects: Sequence[Project], newest: int, pruned: Sequence[str]) -> bool:
    import shutil
    import subprocess

    find = shutil.which("find")
    if find is None:
        return False
    leave_out = [part for path in pruned for part in ("-path", path.translate(_GLOB), "-o")]
    prune = ["(", *leave_out[:-1], ")", "-prune", "-o"] if leave_out else []
    stamp = f"@{newest // 1_000_000_000}.{newest % 1_000_000_000:09d}"
    roots = [project.source for project in projects]
    command = [find, *roots, *prune, "-newerct", stamp, "-print", "-quit"]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and not answer.stdout and not answer.stderr
