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
#: What `find` says of each thing that was changed at the time that is looked for, and of the first that was later.
_THEN, _LATER = ".", "+"
_GLOB = str.maketrans({char: f"\\{char}" for char in "*?[\\"})


def surely_unchanged(target: str, projects: Sequence[Project], record: Record) -> bool:
    """Whether neither the workspace nor the folders of its copy have changed since the record was made.

    Files that somebody has edited in the copy are not looked at: that would be a second ``stat`` for each.

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
        and nothing_changed(
            projects, roots=head["roots"], newest=head["newest"], started=head["started"], pruned=head["pruned"]
        )
    )


def nothing_changed(
    projects: Sequence[Project],
    *,
    roots: Sequence[Sequence[int]],
    newest: int,
    started: int,
    pruned: Sequence[str],
) -> bool:
    """Whether projects, whose ignore rules are the same, are surely as they were at an earlier look.

    The time of a file's last change of any kind (``ctime``) can't be set by programs, so one that is later than the
    latest of the earlier look means a change. If nothing has that time any more, other files are here than were then,
    perhaps older ones: another file system was mounted, or a snapshot brought back. Both hold on servers whose clock
    differs from ours, too.

    Args:
        projects: the projects.
        roots: what `torchx.workspace.record.roots_of` told of them.
        newest: the latest time of a change of anything in them, as it was then (``ctime``, in ns).
        started: when that look began, in ns since the epoch.
        pruned: full paths of the folders that it did not enter.

    Returns:
        False where there is, or may be, a change.
    """
    from torchx.workspace.record import roots_of

    if started - newest < tick(newest) or len(pruned) > MAX_PRUNED or roots_of(projects) != roots:
        return False
    return _newest_is(newest, projects, pruned)


def tick(changed: int) -> int:
    """How long (in ns) after a change a further one could still show the same time.

    Args:
        changed: the time that the change shows, in ns.
    """
    return _TICK if changed % 1_000_000_000 else _COARSE_TICK


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


def _newest_is(newest: int, projects: Sequence[Project], pruned: Sequence[str]) -> bool:
    """Whether something was changed at a time, and nothing later."""
    import shutil

    find = shutil.which("find")
    if find is None:
        return False
    prune = [part for path in pruned for part in ("-path", path.translate(_GLOB), "-o")]
    # `find` tries tests of names before all others, though these are the costly ones: a test of another kind that is
    # always true, grouped with them, keeps them behind `-type d`, so that no file is compared with all these paths.
    leave_out = ["-type", "d", "(", "-links", "+0", "(", *prune[:-1], ")", ")", "-prune", "-o"] if prune else []
    look = ["-newerct", _seconds(newest), "-printf", _LATER, "-quit", "-o"]
    look += ["-newerct", _seconds(newest - 1), "-printf", _THEN]
    starts: list[list[str]] = []
    said = b""
    for project in projects:
        top, shares = _shares(project.source, set(pruned))
        for path in top:
            changed = os.lstat(path).st_ctime_ns
            if changed > newest:
                return False
            said += _THEN.encode() if changed == newest else b""
        starts += shares
    answer = _answers([[find, *start, *leave_out, *look] for start in starts])
    return answer is not None and {*(said + answer)} == {*_THEN.encode()}


def _seconds(time: int) -> str:
    """A time in ns as `find` reads it."""
    return f"@{time // 1_000_000_000}.{time % 1_000_000_000:09d}"


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


def _answers(commands: Sequence[Sequence[str]]) -> bytes | None:
    """What all commands say together; None where one fails."""
    import subprocess

    plain = {**os.environ, "LC_ALL": "C"}  # bytes are compared faster than characters
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=plain))
        said = [one.communicate(timeout=_TIMEOUT)[0] for one in running]
        return None if any(one.returncode for one in running) else b"".join(said)
    except (OSError, subprocess.TimeoutExpired):
        return None
    finally:
        for one in running:
            if one.poll() is None:
                one.kill()
            one.communicate()
