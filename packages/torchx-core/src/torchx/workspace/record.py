"""What was copied where: kept on the submitting machine, so that the next submission need not look at it all again.

A record only saves work. Without it, or where it is out of date, the copy itself is looked at.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchx.workspace.fastcopy import Mark
    from torchx.workspace.manifest import FolderInfo, Manifest
    from torchx.workspace.projects import Project

    #: Of each folder the names of files, their marks one behind the other, and the names of links.
    Contents = dict[str, tuple[list[str], list[int], list[str]]]

_VERSION = 2
#: Records kept; the oldest go first.
KEEP = 20


class Record:
    """One copy of a workspace.

    Attributes:
        head: what decides quickly whether anything has changed: see :func:`save`.
    """

    def __init__(self, head: dict[str, Any], path: str) -> None:
        self.head = head
        self._path = path

    def has_rules_of(self, projects: Sequence[Project]) -> bool:
        """Whether the projects' ignore files are those of the copy; with others the same files make another one."""
        return bool(self.head["rules"] == rules_of(projects))

    @property
    def finished(self) -> int:
        """When the copy was complete, in ns, by the clock of the copy's file system."""
        return int(self.head["finished"])

    def names(self) -> dict[str, list[str]]:
        """The names of the files and links that were brought to each folder; empty if they can't be read any more."""
        return {place: [*files, *links] for place, (files, _, links) in self._contents().items()}

    def marks(self) -> dict[str, dict[str, Mark]]:
        """The marks that the originals had when they were copied, by folder and name; empty if they can't be read."""
        return {
            place: dict(zip(files, zip(marks[::2], marks[1::2], strict=True), strict=True))
            for place, (files, marks, _) in self._contents().items()
        }

    def _contents(self) -> Contents:
        import json

        try:
            with open(self._path, "rb") as file:
                file.readline()
                return cast("Contents", json.load(file))
        except (OSError, ValueError):
            return {}


def save(target: str, projects: Sequence[Project], manifest: Manifest, started: int) -> None:
    """Keeps the record of a copy; a home folder that can't be written is no reason to fail.

    Args:
        target: the copy's real path.
        projects: what was copied.
        manifest: what was found in it.
        started: when the copy began, in ns since the epoch.
    """
    import contextlib
    import json
    import tempfile

    path = _path(target, projects)
    with contextlib.suppress(OSError):
        # Identity and last change of the copy's folders: an entry added or removed there shows in them.
        found = {place: os.lstat(os.path.join(target, place)) for place in manifest.folders}
        head = {
            "version": _VERSION,
            "rules": rules_of(projects),
            "newest": manifest.newest,
            "roots": roots_of(projects),
            "started": started,
            "finished": max(here.st_ctime_ns for here in found.values()),
            "pruned": manifest.pruned,
            "stamps": {
                place: [here.st_dev, here.st_ino, here.st_mtime_ns, here.st_mode] for place, here in found.items()
            },
        }
        contents = json.dumps(_contents_of(manifest, started), separators=(",", ":"))
        content = json.dumps(head).encode() + b"\n" + contents.encode()
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=os.path.dirname(path))
        with open(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
        _forget_old(os.path.dirname(path))


def load(target: str, projects: Sequence[Project]) -> Record | None:
    """The record of the last copy of these projects to this place; None where there is none that can be read."""
    import json

    path = _path(target, projects)
    try:
        with open(path, "rb") as file:
            head = json.loads(file.readline())
    except (OSError, ValueError):
        return None
    return Record(head, path) if isinstance(head, dict) and head.get("version") == _VERSION else None


def rules_of(projects: Sequence[Project]) -> list[list[list[object]]]:
    """The projects' ignore rules, as plain values."""
    return [[list(glob) for glob in project.rules.globs] for project in projects]


def roots_of(projects: Sequence[Project]) -> list[list[int]]:
    """What tells the projects' folders from others at the same paths: devices and inode numbers."""
    found = [os.stat(project.source) for project in projects]
    return [[here.st_dev, here.st_ino] for here in found]


def _contents_of(manifest: Manifest, started: int) -> Contents:
    from torchx.workspace.unchanged import tick

    def flat(folder: FolderInfo) -> Iterator[int]:
        for name in folder.files:
            inode, changed = folder.marks[name]
            # A file that was changed only just before could be changed again without showing a later time.
            yield from (inode, changed) if started - changed >= tick(changed) else (0, 0)

    return {place: ([*folder.files], [*flat(folder)], [*folder.links]) for place, folder in manifest.folders.items()}


def _path(target: str, projects: Sequence[Project]) -> str:
    import hashlib
    import json

    from torchx.specs import TORCHX_HOME

    key = [target, [[project.origin, project.target] for project in projects]]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    return str(TORCHX_HOME("workspaces", f"{name[:32]}.json"))


def _forget_old(folder: str) -> None:
    with os.scandir(folder) as entries:
        found = sorted((entry.stat().st_mtime_ns, entry.path) for entry in entries)
    for _, path in found[:-KEEP]:
        os.unlink(path)
