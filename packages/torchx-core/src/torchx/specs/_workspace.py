"""The local folders that a job brings along."""

from __future__ import annotations

import os

from torchx.errors import UsageError
from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pathlib


class InvalidWorkspaceException(UsageError, ValueError):
    """A workspace is malformed, does not exist, or would be written outside its target."""


@dataclass
class Workspace:
    """Local projects that are put into the job's image.

    False where there is no project. Equal workspaces have equal hashes, so that a workspace can be a key; a workspace
    that serves as one must not be changed.

    Args:
        projects: for each project's local path the folder it gets inside the workspace of the job, relative to it;
            empty means the workspace's root. ``~`` at the beginning of a local path is the home folder.
    """

    projects: dict[str, str]

    def __post_init__(self) -> None:
        self.projects = {os.path.expanduser(src): dst for src, dst in self.projects.items()}

    def __bool__(self) -> bool:
        return bool(self.projects)

    def __hash__(self) -> int:
        return hash(frozenset(self.projects.items()))

    def __str__(self) -> str:
        """The path of an unmapped single project; else ``source:destination`` of each project, joined by ``;``."""
        if self.is_unmapped_single_project():
            return next(iter(self.projects))
        return ";".join(f"{src}:{dst}" if dst else src for src, dst in self.projects.items())

    def is_unmapped_single_project(self) -> bool:
        """Whether this is one project that is the root of the job's workspace."""
        return list(self.projects.values()) == [""]

    def merge_into(self, outdir: str | pathlib.Path) -> None:
        """Copies the projects into a folder, each to its place, later ones over earlier ones.

        Modes, empty folders and links (as links) are kept. Ignore files have no say here.

        Args:
            outdir: the folder; made where it does not exist.

        Raises:
            InvalidWorkspaceException: a project does not exist or holds ``outdir``, or its destination lies outside
                ``outdir``.
        """
        root = os.fspath(outdir)
        targets = [(src, destination(root, dst)) for src, dst in self.projects.items()]
        for src, _ in targets:
            if not os.path.exists(src):
                raise InvalidWorkspaceException(f"workspace `{src}` does not exist")
            if _is_inside(root, src):
                raise InvalidWorkspaceException(f"cannot merge workspace `{src}` into `{root}`, a folder of its own")
        os.makedirs(root, exist_ok=True)
        for src, dst in targets:
            _copy(src, dst, root)

    @staticmethod
    def from_str(workspace: str | None) -> Workspace:
        """Reads a workspace from text.

        Args:
            workspace: the path of one project, or a YAML mapping from local path to destination, e.g.
                ``{./trainer: "", ~/lib: lib}`` or one ``path: destination`` a line. None or empty: no project.

        Raises:
            InvalidWorkspaceException: the YAML maps to anything but text.

        >>> Workspace.from_str("/home/me/trainer").projects
        {'/home/me/trainer': ''}
        >>> Workspace.from_str("{/home/me/trainer: , /home/me/lib: lib}").projects
        {'/home/me/trainer': '', '/home/me/lib': 'lib'}
        """
        if not workspace or not workspace.strip():
            return Workspace({})
        return Workspace(_parse_mapping(workspace) or {workspace: ""})


def destination(root: str, dst: str) -> str:
    """The folder inside ``root`` that a project's destination names.

    Raises:
        InvalidWorkspaceException: it is not inside.
    """
    if os.path.isabs(dst) or os.pardir in os.path.normpath(dst).split(os.sep):
        raise InvalidWorkspaceException(
            f"workspace destination `{dst}` leaves the workspace", hint="use a path relative to the workspace's root"
        )
    return os.path.normpath(os.path.join(root, dst))


def _is_inside(path: str, folder: str) -> bool:
    inner, outer = os.path.realpath(path), os.path.realpath(folder)
    return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)


def _copy(src: str, dst: str, root: str) -> None:
    import shutil

    if os.path.isdir(src):
        shutil.copytree(src, dst, symlinks=True, dirs_exist_ok=True)
        return
    target = os.path.join(root, os.path.basename(src)) if dst == os.path.normpath(root) else dst
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy2(src, target)


def _parse_mapping(text: str) -> dict[str, str] | None:
    """The mapping that a YAML text holds; None where it is a plain path."""
    if not any(mark in text for mark in (": ", ":\n", "\n", "{")) and not text.endswith(":"):
        return None
    import yaml

    try:
        # The base loader makes strings only: `~`, `null`, `1` and `yes` are good names of folders.
        projects = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as e:
        if "\n" not in text.strip() and not text.lstrip().startswith("{"):
            return None
        raise InvalidWorkspaceException(f"workspace is neither a path nor a YAML mapping: {e}") from e
    if isinstance(projects, str):
        return None
    if not isinstance(projects, dict):
        raise InvalidWorkspaceException("workspace is neither a path nor a YAML mapping")
    for src, dst in projects.items():
        if not isinstance(src, str) or not src or not isinstance(dst, str):
            raise InvalidWorkspaceException(f"workspace maps `{src}` to `{dst}`", hint="map each path to one folder")
    return projects
