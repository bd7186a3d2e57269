"""The folders that workspaces were put together in: jobs of one workspace share one, which goes with the last one."""

from __future__ import annotations

import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from io import BufferedRandom
    from typing import Any

    from torchx.schedulers._local.request import PopenRequest
    from torchx.specs.api import Role

_LOCK = ".lock"


def hold(request: PopenRequest, fetch: Callable[[Role], object]) -> BufferedRandom | None:
    """Keeps the folders of a job that is about to be submitted; one that is gone since the dry run is made again.

    Args:
        request: the job.
        fetch: makes the folder of a role.

    Returns:
        What to close when the job is on record; None where it uses no such folder.
    """
    roles = [role for role in request.app.roles if role.workspace and _mine([request.role_params[role.name][0].cwd])]
    if not roles:
        return None
    lock = _lock(fcntl.LOCK_SH)
    for role in roles:
        if not os.path.isdir(request.role_params[role.name][0].cwd or ""):
            fetch(role)
    return lock


def folders_of(record: Mapping[str, Any] | None) -> set[str]:
    """The folders of this kind that the replicas of a job on record run in."""
    return _mine(role["replicas"][0]["cwd"] for role in record["roles"]) if record else set()


def remove_unused(folders: set[str], jobs: Iterable[Mapping[str, Any] | None]) -> None:
    """Removes those of some folders that no job uses.

    Args:
        folders: what ``folders_of`` found.
        jobs: the records of all jobs.
    """
    import shutil

    with _lock(fcntl.LOCK_EX):
        left = set(folders)
        for record in jobs:
            left -= folders_of(record)
            if not left:
                return
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)


def _mine(paths: Iterable[str | None]) -> set[str]:
    root = _root()
    return {path for path in paths if path and os.path.dirname(path) == root}


def _root() -> str:
    from torchx.specs import TORCHX_HOME

    return str(TORCHX_HOME("local_workspaces"))


def _lock(kind: int) -> BufferedRandom:
    lock = open(os.path.join(_root(), _LOCK), "ab+")  # noqa: SIM115  # closing it is what lets go of the lock
    fcntl.flock(lock, kind)
    return lock
