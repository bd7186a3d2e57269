"""Workspaces of batch jobs: a copy below ``job_dir``, also where that is on the far side of an SSH connection.

A copy is never changed: what is submitted later has one of its own, or shares one that is the same. So a job that
waits or runs keeps its code, whatever becomes of the workspace. Copies are removed when no job needs them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from torchx.workspace.dir_workspace import DirWorkspaceMixin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchx.schedulers.batch.commands import Commands
    from torchx.specs import CfgVal, Role, Workspace
    from torchx.workspace.progress import Progress
    from torchx.workspace.projects import Project

COPIES = os.path.join(os.path.dirname(__file__), "copies.sh")
"""Shell code that finds, makes and removes copies."""

STORE = ".torchx-workspaces"
"""Folder in ``job_dir`` with the copies of workspaces."""

WORKSPACE_KEY = "torchx/workspace"
"""In a role's metadata: the folder in which a job with an image of its own finds its workspace."""

KEEP_MINUTES = 30 * 24 * 60
"""So long a copy is kept that no job needs any more: a dry run, or an image built ahead, may still name it."""

SPARE_MINUTES = 60
"""So long a copy is kept when its last job is deleted: another one that is just being submitted may share it."""

TRIES = 3
"""So often a workspace is copied that changes while it is read; after that the copy is nobody else's."""

LIMIT = 600.0
"""Seconds that looking at all copies may take."""


class BatchDirWorkspace(DirWorkspaceMixin):
    """The ``dir`` workspace of batch schedulers; with the option ``ssh_host`` copies are made on the login node.

    A role's image becomes the copy, in which the job works. Of a role whose image is run by a container runtime
    (``keeps_image``) it stays, and the copy is noted under `WORKSPACE_KEY` in the role's metadata.

    A workspace that is ``job_dir`` itself is used as it is.
    """

    def keeps_image(self, cfg: Mapping[str, CfgVal]) -> bool:
        """Whether roles' images are something else than a folder to work in."""
        return False

    def build_workspace_and_update_role(self, role: Role, workspace: str, cfg: Mapping[str, CfgVal]) -> None:
        """As `caching_build_workspace_and_update_role`, for one folder."""
        from torchx.specs import Workspace

        self._update(role, Workspace({workspace: ""}), cfg, {})

    def caching_build_workspace_and_update_role(
        self, role: Role, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        """Finds or makes a copy of the role's workspace below ``job_dir``; nothing where that is not set.

        Raises:
            WorkspaceError: the workspace can't be read, or not be copied.
            TorchXError: the login node can't be reached, or refuses the copy.
        """
        if role.workspace:
            self._update(role, role.workspace, cfg, build_cache)

    def _update(
        self, role: Role, workspace: Workspace, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        job_dir = _job_dir(cfg)
        if not job_dir:
            return
        key = (BatchDirWorkspace, job_dir, workspace)
        copy = build_cache.get(key)
        if not isinstance(copy, str):
            host = cfg.get("ssh_host")
            copy = build_cache[key] = copy_for_job(workspace, job_dir, str(host) if host else None)
        if self.keeps_image(cfg):
            role.metadata[WORKSPACE_KEY] = copy
        else:
            role.image = copy


def workspace_copy(role: Role) -> str | None:
    """The folder of a role's workspace, where its image is something else."""
    copy = role.metadata.get(WORKSPACE_KEY)
    return copy if copy and role.workspace else None


def copy_for_job(workspace: Workspace, job_dir: str, host: str | None) -> str:
    """A copy of a workspace that no later submission changes.

    Args:
        workspace: what is copied.
        job_dir: copies are below this folder.
        host: the login node where that is; None: this machine.

    Returns:
        The copy's path; ``job_dir`` itself where that is the workspace.
    """
    import contextlib

    from torchx.schedulers.batch.commands import commands_on
    from torchx.workspace.assemble import LOOKING
    from torchx.workspace.progress import FileProgress
    from torchx.workspace.projects import resolve_projects

    with contextlib.ExitStack() as cleanup, FileProgress(LOOKING) as progress:
        projects = resolve_projects(workspace, cleanup, progress)
        progress.phase(LOOKING)
        above = os.path.realpath(job_dir) if host is None else job_dir
        if host is None and any(project.source == above for project in projects):
            return _in_place(projects, above)
        skip = {above} if host is None else set()
        name = fingerprint(projects, skip, progress)
        commands = commands_on(host)
        found = _do(commands, above, "find", name)
        return found or _Copier(commands, above, projects, skip, progress).copy(name)


def clean(commands: Commands, job_dir: str, copies: Iterable[str] = (), *, minutes: int = KEEP_MINUTES) -> None:
    """Removes copies in which no job works any more, and has not for some time; never one in which a job has written.

    Args:
        commands: of the machine with ``job_dir``.
        job_dir: the folder.
        copies: paths of copies; of none, all in ``job_dir`` are looked at.
        minutes: how long they have not been used.
    """
    _do(commands, job_dir, "clean", str(minutes), *(os.path.basename(path) for path in copies))


def forget_copies(commands: Commands, copies: Sequence[str]) -> None:
    """Removes copies of a job that is gone, if they were no other's; failing to is no error.

    Args:
        commands: of the machine where they are.
        copies: their paths; others than those of copies are left alone.
    """
    import contextlib

    from torchx.errors import TorchXError

    for path in copies:
        store, name = os.path.split(path)
        if os.path.basename(store) == STORE and name:
            with contextlib.suppress(TorchXError):
                clean(commands, os.path.dirname(store), [name], minutes=SPARE_MINUTES)


def fingerprint(projects: Sequence[Project], skip: set[str], progress: Progress) -> str:
    """Tells versions of a workspace apart, by what a ``stat`` tells of its files."""
    import hashlib
    import json

    from torchx.workspace.manifest import scan
    from torchx.workspace.projects import is_remote

    manifest = scan(projects, skip=skip, progress=progress)
    # What is fetched from elsewhere is a new file each time.
    fetched = any(is_remote(project.origin) for project in projects)
    folders = {
        place: (folder.mode, folder.files, folder.links, {} if fetched else folder.marks)
        for place, folder in manifest.folders.items()
    }
    text = json.dumps([[(p.origin, p.target) for p in projects], folders], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]


class _Copier:
    """Makes one copy of a workspace, in its place."""

    def __init__(
        self, commands: Commands, job_dir: str, projects: Sequence[Project], skip: set[str], progress: Progress
    ) -> None:
        self._commands = commands
        self._job_dir = job_dir
        self._projects = projects
        self._skip = skip
        self._progress = progress

    def copy(self, expected: str) -> str:
        """A copy of what the workspace holds now.

        Args:
            expected: the fingerprint of what it held just now.
        """
        import contextlib
        import secrets

        from torchx.errors import TorchXError

        for _ in range(TRIES):
            path = self._make(f"{expected}-{secrets.token_hex(4)}")
            found = fingerprint(self._projects, self._skip, self._progress)
            if found == expected:
                break
            expected = found
            self._remove(path)
        else:
            path = self._make(f"{secrets.token_hex(12)}-{secrets.token_hex(4)}")
        _do(self._commands, self._job_dir, "complete", os.path.basename(path))
        with contextlib.suppress(TorchXError):  # the copy is there
            clean(self._commands, self._job_dir)
        return path

    def _make(self, name: str) -> str:
        path = _do(self._commands, self._job_dir, "make", name)
        try:
            if self._commands.host is None:
                self._copy_to(path)
            else:
                self._send_to(path, self._commands.host)
        except BaseException:
            self._remove(path)
            raise
        return path

    def _copy_to(self, path: str) -> None:
        from torchx.workspace.assemble import COPYING
        from torchx.workspace.copy import copy_projects
        from torchx.workspace.errors import WorkspaceError

        self._progress.phase(COPYING)
        try:
            copy_projects(self._projects, path, skip=self._skip, progress=self._progress)
        except OSError as e:
            raise WorkspaceError(f"can't write the workspace to `{path}`: {e.strerror or e}") from e

    def _send_to(self, path: str, host: str) -> None:
        import tempfile

        from torchx.schedulers.batch.send_folder import send_folder

        with tempfile.TemporaryDirectory(prefix="torchx-workspace-") as staged:
            self._copy_to(staged)
            send_folder(staged, host, path)

    def _remove(self, path: str) -> None:
        import contextlib

        from torchx.errors import TorchXError

        with contextlib.suppress(TorchXError):
            _do(self._commands, self._job_dir, "remove", os.path.basename(path))


def _in_place(projects: Sequence[Project], job_dir: str) -> str:
    from torchx.workspace.errors import WorkspaceError

    if len(projects) == 1 and not projects[0].target:
        return job_dir
    raise WorkspaceError(f"`{job_dir}` is one of the workspace's projects", hint="use another job_dir")


def _do(commands: Commands, job_dir: str, what: str, *args: str) -> str:
    """Runs a function of the shell code; returns what it printed."""
    from torchx.workspace.errors import WorkspaceError

    with open(COPIES, encoding="ascii") as file:
        code = f'{file.read()}\ntorchx_copies "$@"'
    result = commands.run(["sh", "-c", code, "sh", job_dir, what, *args], timeout=LIMIT)
    if result.returncode:
        where = f"{commands.host}:{job_dir}" if commands.host else job_dir
        raise WorkspaceError(
            f"can't write the workspace to `{where}`: {result.stderr.rpartition(': ')[2] or 'a command failed'}",
            hint="name another folder on the shared file system with job_dir",
        )
    return result.text.removesuffix("\n")


def _job_dir(cfg: Mapping[str, CfgVal]) -> str | None:
    job_dir = cfg.get("job_dir")
    if not job_dir:
        return None
    path = str(job_dir).removeprefix("file://")
    return path.rstrip("/") or "/" if cfg.get("ssh_host") else os.path.abspath(os.path.expanduser(path))
