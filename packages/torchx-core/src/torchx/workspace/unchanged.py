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
#: At most this many of them look at one project.
MAX_PROCESSES = 4
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
    head = record.head
    return (
        record.has_rules_of(projects)
        and _copy_stands(target, record)
        and nothing_changed(projects, newest=head["newest"], started=head["started"], pruned=head["pruned"])
    )


def nothing_changed(projects: Sequence[Project], *, newest: int, started: int, pruned: Sequence[str]) -> bool:
    """Whether projects, whose ignore rules are the same, are surely as they were at an earlier look.

    Args:
        projects: the projects.
        newest: the latest time of a change of anything in them, as it was then (``ctime``, in ns).
        started: when that look began, in ns since the epoch.
        pruned: full paths of the folders that it did not enter.

    Returns:
        False where there is, or may be, a change.
    """
    tick = _TICK if newest % 1_000_000_000 else _COARSE_TICK
    if started - newest < tick or len(pruned) > MAX_PRUNED:
        return False
    return _nothing_newer(projects, newest, pruned)


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

    find = shutil.which("find")
    if find is None:
        return False
    prune = [part for path in pruned for part in ("-path", path.translate(_GLOB), "-o")]
    # `find` tries tests of names before all others, though these are the costly ones: a test of another kind that is
    # always true, grouped with them, keeps them behind `-type d`, so that no file is compared with all these paths.
    leave_out = ["-type", "d", "(", "-links", "+0", "(", *prune[:-1], ")", ")", "-prune", "-o"] if prune else []
    newer = ["-newerct", f"@{newest // 1_000_000_000}.{newest % 1_000_000_000:09d}", "-print", "-quit"]
    starts: list[list[str]] = []
    for project in projects:
        top, shares = _shares(project.source, set(pruned))
        if any(os.lstat(path).st_ctime_ns > newest for path in top):
            return False
        starts += shares
    return _all_silent([[find, *start, *leave_out, *newer] for start in starts])


def _shares(source: str, pruned: set[str]) -> tuple[list[str], list[list[str]]]:
    """Divides a project among several ``find`` processes.

    Returns:
        What none of them looks at, and where each of them starts.
    """
    from torchx.workspace.processors import available

    count = min(available(), MAX_PROCESSES)
    if count > 1 and os.path.isdir(source):
        folders: list[str] = []
        others = [source]
        with os.scandir(source) as entries:
            for entry in entries:
                (folders if entry.is_dir(follow_symlinks=False) else others).append(entry.path)
        folders = [path for path in folders if path not in pruned]
        if 2 <= len(folders) <= MAX_PRUNED:
            return others, [folders[start::count] for start in range(min(count, len(folders)))]
    return [], [[source]]


def _all_silent(commands: Sequence[Sequence[str]]) -> bool:
    """Whether all commands end well and none says anything."""
    import subprocess

    plain = {**os.environ, "LC_ALL": "C"}  # bytes are compared faster than characters
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=plain))
        return all(not one.communicate(timeout=_TIMEOUT)[0] and one.returncode == 0 for one in running)
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        for one in running:
            if one.poll() is None:
                one.kill()
            one.communicate()
