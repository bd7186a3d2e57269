"""Looks at a workspace: quickly, where it was looked at before and nothing has changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchx.workspace.errors import WorkspaceError
from torchx_docker.workspace.fingerprint import fingerprint
from torchx_docker.workspace.memory import Memory
from torchx_docker.workspace.tarstream import Contents, look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchx.workspace.manifest import Manifest
    from torchx.workspace.projects import Project

DOCKERFILE = "Dockerfile.torchx"
#: As many as the kernel follows.
_MAX_LINKS = 40


class Look:
    """A workspace.

    Args:
        projects: its projects.

    Attributes:
        projects: the same.
        fingerprint: changes when the workspace may have changed; empty where that is not known.
        dockerfile: the path of its ``Dockerfile.torchx``, or of the file that it is a link to; empty where there is
            none.

    Raises:
        WorkspaceError: something can't be read, or must not be in a workspace.
    """

    def __init__(self, projects: Sequence[Project]) -> None:
        from torchx.workspace.record import rules_of

        self.projects = projects
        self._contents: Contents | None = None
        memory = Memory("workspaces", [[project.source, project.target] for project in projects])
        rules = rules_of(projects)
        kept = memory.recall()
        if kept and kept["rules"] == rules and _unchanged(projects, kept):
            self.fingerprint = str(kept["fingerprint"])
            self.dockerfile = str(kept["dockerfile"])
            return
        self.fingerprint = fingerprint(self.contents)
        self.dockerfile = _dockerfile(self.contents)
        if self.fingerprint:
            memory.store(self._record(rules))

    @property
    def contents(self) -> Contents:
        """What it holds, file by file; looked at when it is first asked for."""
        if self._contents is None:
            self._contents = look(self.projects)
        return self._contents

    def read_dockerfile(self) -> bytes | None:
        """What its ``Dockerfile.torchx`` says; None where there is none."""
        if not self.dockerfile:
            return None
        with open(self.dockerfile, "rb") as file:
            return file.read()

    @property
    def key(self) -> list[tuple[str, str]]:
        """What names the workspace in records."""
        return [(project.origin, project.target) for project in self.projects]

    def _record(self, rules: object) -> dict[str, Any]:
        from torchx.workspace.record import roots_of

        manifest = self.contents.manifest
        return {
            "rules": rules,
            "roots": roots_of(self.projects),
            "newest": manifest.newest,
            "started": self.contents.started,
            "pruned": manifest.pruned,
            "fingerprint": self.fingerprint,
            "dockerfile": self.dockerfile,
        }


def _unchanged(projects: Sequence[Project], kept: dict[str, Any]) -> bool:
    from torchx.workspace.unchanged import nothing_changed

    names = ("roots", "newest", "started", "pruned")
    return nothing_changed(projects, **{name: kept[name] for name in names})


def _dockerfile(contents: Contents) -> str:
    from torchx.workspace.projects import source_of

    root = contents.manifest.folders[""]
    if DOCKERFILE not in root.files and DOCKERFILE not in root.links:
        return ""
    place, name = _followed(contents.manifest, DOCKERFILE)
    info = contents.manifest.folders[place].files.get(name) if place in contents.manifest.folders else None
    if info is None:
        raise WorkspaceError(
            f"the workspace's `{DOCKERFILE}` is a link to `{root.links[DOCKERFILE]}`, no file of the workspace",
            hint=f"put the file there, or add `{DOCKERFILE}` to .torchxignore",
        )
    return source_of(contents.projects[info[3]], place, name)


def _followed(manifest: Manifest, path: str) -> tuple[str, str]:
    """Folder and name of what a path leads to in the image, through links; whether there is something is not said."""
    done: list[str] = []
    todo = path.split("/")
    followed = 0
    while todo:
        part = todo.pop(0)
        folder = manifest.folders.get("/".join(done))
        if part == "..":
            done = done[:-1]
        elif folder and part in folder.links and followed < _MAX_LINKS:
            followed += 1
            todo = [*folder.links[part].split("/"), *todo]
        elif part not in ("", "."):
            done.append(part)
    return "/".join(done[:-1]), done[-1] if done else ""
