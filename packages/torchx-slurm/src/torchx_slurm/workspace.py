"""Workspaces of Slurm jobs: a copy in ``job_dir``, also where that is on the far side of an SSH connection."""

from __future__ import annotations

import contextlib
import os
from typing import IO, TYPE_CHECKING, Any

from torchx.workspace.api import MultiWorkspaceMixin, WorkspaceMixin
from torchx.workspace.dir_workspace import DirWorkspaceMixin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchx.specs import CfgVal, Role

SEND_LIMIT, SLOWEST = 600.0, 500_000
"""Seconds that sending a workspace may take, and one more for so many bytes."""


class SlurmDirWorkspace(DirWorkspaceMixin):
    """The ``dir`` workspace; with the option ``ssh_host`` the copy is made on the login node."""

    def caching_build_workspace_and_update_role(
        self, role: Role, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        """Copies the role's workspace into ``job_dir``."""
        host = cfg.get("ssh_host")
        if not host:
            super().caching_build_workspace_and_update_role(role, cfg, build_cache)
        elif role.workspace and cfg.get("job_dir"):
            import shutil
            import tempfile

            stage = build_cache.get(SlurmDirWorkspace)
            staged = stage if isinstance(stage, str) else tempfile.mkdtemp(prefix="torchx-workspace-")
            build_cache[SlurmDirWorkspace] = staged
            try:
                before = role.image
                super().caching_build_workspace_and_update_role(role, {**cfg, "job_dir": staged}, build_cache)
                if role.image != before:
                    role.image = str(cfg["job_dir"]).rstrip("/") + role.image[len(staged) :]
                    _send(staged, str(host), str(cfg["job_dir"]))
            finally:
                shutil.rmtree(staged, ignore_errors=True)
                build_cache.pop(SlurmDirWorkspace, None)


class SlurmWorkspaceMixin(MultiWorkspaceMixin):
    """The workspaces of the ``slurm`` scheduler: ``dir``, and the image builders that are installed."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._builders: dict[str, WorkspaceMixin[Any]] = {}

    def workspace_builders(self) -> Mapping[str, WorkspaceMixin[Any]]:
        """The builders by name, always the same ones: they know what they have built until it is pushed."""
        if not self._builders:
            self._builders = {**super().workspace_builders(), "dir": SlurmDirWorkspace()}
        return self._builders


def _send(staged: str, host: str, job_dir: str) -> None:
    """Unpacks a folder's content into a folder of a login node, as it is read: memory holds a piece of one file."""
    from torchx.errors import TorchXError
    from torchx.schedulers.batch.commands import SshCommands

    code = 'case $1 in "~/"*) set -- "$HOME/${1#??}";; esac; mkdir -p -- "$1" && tar -xf - -C "$1"'
    with _packed(staged) as archive:
        limit = SEND_LIMIT + _size(staged) / SLOWEST
        result = SshCommands(host).run(["sh", "-c", code, "sh", job_dir], stdin=archive, timeout=limit)
    if result.returncode:
        raise TorchXError(f"can't copy the workspace to {host}:{job_dir}: {result.stderr}")


@contextlib.contextmanager
def _packed(folder: str) -> Iterator[IO[bytes]]:
    """A pipe out of which a folder's content comes as a tar archive.

    Raises:
        OSError: the folder can't be read.
    """
    from concurrent.futures import ThreadPoolExecutor

    read_end, write_end = os.pipe()
    with ThreadPoolExecutor(max_workers=1) as pool:
        packing = pool.submit(_pack, folder, write_end)
        with os.fdopen(read_end, "rb") as archive:
            yield archive
        packing.result()


def _pack(folder: str, write_end: int) -> None:
    import tarfile

    def forget(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        archive.getmembers().clear()  # it would keep an object for each file
        return entry

    # Where the reader has ended early it tells why.
    with (
        contextlib.suppress(BrokenPipeError),
        os.fdopen(write_end, "wb") as pipe,
        tarfile.open(fileobj=pipe, mode="w|") as archive,
    ):
        archive.add(folder, arcname=".", filter=forget)


def _size(folder: str) -> int:
    """Bytes of all files below a folder."""
    return sum(os.lstat(os.path.join(path, name)).st_size for path, _, names in os.walk(folder) for name in names)
