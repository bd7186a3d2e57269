"""A batch system made of folders and processes, as small as one can be: what a plugin author writes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchx.errors import TransientError
from torchx.schedulers.batch import (
    APP_ID,
    REPLICA,
    BatchJob,
    BatchPart,
    BatchRequest,
    BatchScheduler,
    BatchSystem,
    ReplicaCommand,
    replica_script,
    word,
)
from torchx.schedulers.role_checks import check_roles
from torchx.specs.api import AppDef, AppState, CfgVal, macros
from torchx.util.folder_names import folder_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchx.schedulers.batch import Commands

SCRIPT = """\
#!/bin/sh
cd {folder}
pids= code=0
{starts}
for pid in $pids; do wait "$pid" || code=$?; done
echo "$code" >end
"""


class FolderRequest(BatchRequest):
    """All roles of a job."""

    def scripts(self, folder: str) -> dict[str, str]:
        scripts, starts = {}, []
        for index, role in enumerate(self.app.roles):
            filled = macros.Values(".", APP_ID, REPLICA, "TORCHX_RANK0_HOST").apply(role)
            command = ReplicaCommand([filled.entrypoint, *filled.args], filled.env)
            logs = f"{folder}/logs/{folder_name(role.name)}"
            scripts[f"role-{index}.sh"] = replica_script(command, logs=logs, replica='"$K"', role=index)
            for k in range(role.num_replicas):
                starts.append(f'K={k} setsid sh role-{index}.sh "$ID" localhost 0 & pids="$pids $!"')
        return {**scripts, "job.sh": SCRIPT.format(folder=word(folder), starts="\n".join(starts))}


class FolderBatch(BatchSystem):
    """Jobs are folders in ``root``: ``<id>/`` has ``pid``, ``key`` and a link to the job's own folder."""

    def __init__(self, commands: Commands, root: Path) -> None:
        super().__init__(commands)
        self.root = root

    def _check(self) -> None:
        if (self.root / "down").exists():
            raise TransientError("the batch system is down")

    def submit(self, request: BatchRequest, folder: str) -> str:
        self._check()
        app_id = str(100 + len([*self.root.glob("[0-9]*")]))
        job = self.root / app_id
        job.mkdir()
        (job / "key").write_text(request.key)
        (job / "folder").write_text(folder)
        process = subprocess.Popen(
            ["sh", f"{folder}/job.sh"],
            env={**os.environ, "ID": app_id},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        (job / "pid").write_text(str(process.pid))
        process.returncode = 0  # nobody waits for it here
        if (self.root / "lose answers").exists():
            (self.root / "lose answers").unlink()
            raise TransientError("no answer")
        return app_id

    def find(self, key: str) -> list[str]:
        self._check()
        return [path.parent.name for path in sorted(self.root.glob("*/key")) if path.read_text() == key]

    def query(self, app_ids: Sequence[str]) -> dict[str, BatchJob]:
        self._check()
        with (self.root / "calls").open("a") as calls:
            calls.write("query\n")
        return {app_id: self._job(app_id) for app_id in app_ids if app_id.isdigit() and (self.root / app_id).is_dir()}

    def jobs(self) -> Iterable[BatchJob]:
        self._check()
        return [self._job(path.parent.name) for path in self.root.glob("*/key")]

    def cancel(self, app_id: str) -> None:
        self._check()
        job = self.root / app_id
        if job.is_dir() and self._end(job) is None:
            (job / "cancelled").touch()
            session = int((job / "pid").read_text())
            for pid in _sessions_of(session):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)

    def _job(self, app_id: str) -> BatchJob:
        job = self.root / app_id
        code = self._end(job)
        if (job / "cancelled").exists():
            state = AppState.CANCELLED
        elif code is None:
            state = AppState.RUNNING
        else:
            state = AppState.FAILED if code else AppState.SUCCEEDED
        return BatchJob(app_id, state, restarts=0, parts=[BatchPart(0, state)])

    def _end(self, job: Path) -> int | None:
        try:
            return int((Path((job / "folder").read_text()) / "end").read_text() or 1)
        except (FileNotFoundError, ValueError):
            return None


class FolderScheduler(BatchScheduler):
    """The scheduler over it."""

    def __init__(self, session_name: str, root: str, host: str | None = None) -> None:
        super().__init__("folder", session_name, host=host)
        self._root = Path(root)

    def system(self, commands: Commands) -> FolderBatch:
        return FolderBatch(commands, self._root)

    def build_request(self, app: AppDef, cfg: Mapping[str, CfgVal], *, key: str, folder: str) -> BatchRequest:
        check_roles(app)
        return FolderRequest(key=key, folder=folder, app=app)


def create_scheduler(session_name: str, **kwargs: Any) -> FolderScheduler:
    """Makes the scheduler."""
    return FolderScheduler(session_name, **kwargs)


def _sessions_of(leader: int) -> list[int]:
    """The sessions of a job: its script's, and those of its replicas, which are the script's children."""
    found = [leader]
    with contextlib.suppress(FileNotFoundError):
        found += [int(pid) for pid in Path(f"/proc/{leader}/task/{leader}/children").read_text().split()]
    return found
