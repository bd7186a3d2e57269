"""What the replicas of a job noted themselves, put together with what the batch system says about the job."""

from __future__ import annotations

import os

from torchx.schedulers.batch.exit_status import ended_text
from torchx.schedulers.batch.replica import ERROR_FILE, STATE_FILE, STDERR_LOG
from torchx.specs.api import NONE, AppState, ReplicaStatus, RoleStatus, is_terminal
from torchx.util.folder_names import folder_name
from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from torchx.schedulers.batch.job import BatchJob, BatchPart
    from torchx.schedulers.batch.jobfiles import JobFiles

LOGS_FOLDER = "logs"
NO_CAUSES: Mapping[tuple[str, int], str] = {}

_BY_SIGTERM = 128 + 15
"""Exit code of a program that was ended, usually because another one had failed before."""


@dataclass(frozen=True)
class ReplicaNote:
    """What a replica's script noted last.

    Attributes:
        attempt: which start of the job it is from, from 0.
        host: where it ran.
        code: the program's exit status; None: it has not ended, or was killed together with its script.
        time: seconds since the epoch of the last line.
        killed: whether the exit status surely stands for a signal.
        stopped: whether the batch system asked it to end.
    """

    attempt: int
    host: str
    code: int | None
    time: int
    killed: bool = False
    stopped: bool = False


def replica_folder(role: str, k: int) -> str:
    """A replica's folder below the job's."""
    return os.path.join(LOGS_FOLDER, folder_name(role), str(k))


def parse_note(data: bytes) -> ReplicaNote | None:
    """Reads a state file; None where there is nothing whole in it.

    >>> parse_note(b"start 0 n1 100\\nend 0 3 160\\n")
    ReplicaNote(attempt=0, host='n1', code=3, time=160, killed=False, stopped=False)
    """
    note = None
    for line in data.decode("utf-8", "replace").split("\n")[:-1]:
        words = line.split(" ")
        if len(words) < 4 or not words[1].isdigit():
            continue
        seconds = int(words[3]) if words[3].isdigit() else 0
        if words[0] == "start":
            note = ReplicaNote(int(words[1]), words[2], None, seconds)
        elif words[0] == "end" and note is not None and words[2].isdigit():
            how = words[4:]
            note = ReplicaNote(int(words[1]), note.host, int(words[2]), seconds, "killed" in how, "stopped" in how)
    return note


def read_notes(files: JobFiles, folder: str, record: Mapping[str, Any]) -> dict[tuple[str, int], ReplicaNote]:
    """The notes of all replicas of a job that have begun."""
    names = {os.path.join(replica_folder(role, k), STATE_FILE): (role, k) for role, k in replicas_of(record)}
    found = {names[name]: parse_note(data) for name, data in files.read(folder, [*names]).items()}
    return {replica: note for replica, note in found.items() if note is not None}


def replicas_of(record: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """All replicas of a job: role names and numbers."""
    for role in record["roles"]:
        yield from ((role["name"], k) for k in range(role["spec"]["num_replicas"]))


def role_statuses(
    job: BatchJob,
    record: Mapping[str, Any],
    notes: Mapping[tuple[str, int], ReplicaNote],
    folder: str | None,
    causes: Mapping[tuple[str, int], str] = NO_CAUSES,
) -> list[RoleStatus]:
    """The status of every role.

    Args:
        job: what the batch system says.
        record: what was submitted.
        notes: what the replicas noted.
        folder: the job's folder, if it can be read from here, for the replicas' own errors.
        causes: why the batch system ended replicas.
    """
    culprit = failure(job, record, notes, causes)
    known = culprit is not None and (
        culprit[:2] in causes or failed_itself(culprit[2]) or culprit[2].host in job.failed_nodes
    )
    statuses = []
    parts = {part.role: part for part in job.parts}
    for index, role in enumerate(record["roles"]):
        replicas = []
        for k in range(role["spec"]["num_replicas"]):
            note = notes.get((role["name"], k))
            cause = causes.get((role["name"], k))
            state = AppState.FAILED if cause else _replica_state(job, parts.get(index), note)
            other = culprit is not None and culprit[:2] != (role["name"], k)
            if known and other and not cause and state is AppState.FAILED and note and _went_down(note, job):
                state = AppState.CANCELLED  # with the one that failed
            error = _error(folder, role["name"], k) if folder and state is AppState.FAILED else NONE
            if error == NONE and state is AppState.FAILED and note is not None:
                error = cause or ended_text(note.code, killed=note.killed)
            host = note.host if note else ""
            replicas.append(ReplicaStatus(k, state, role["name"], host, structured_error_msg=error))
        statuses.append(RoleStatus(role["name"], replicas))
    return statuses


def failure(
    job: BatchJob,
    record: Mapping[str, Any],
    notes: Mapping[tuple[str, int], ReplicaNote],
    causes: Mapping[tuple[str, int], str] = NO_CAUSES,
) -> tuple[str, int, ReplicaNote] | None:
    """The replica whose failure ended the job, as far as that can be told.

    That is one that the batch system ended for a reason of its own, else the first that failed by itself, else one that
    was lost; the others were only ended for its sake, whatever their programs made of that. What the batch system tells
    of one role is blamed on no other.
    """
    names = [role["name"] for role in record["roles"]]
    guilty = {part.role for part in job.parts if part.msg and part.msg == job.msg and not job.bare}
    failed = [
        (role, k, note)
        for (role, k), note in notes.items()
        if (note.code != 0 or (role, k) in causes)
        and role in names
        and ((role, k) in causes or not guilty or names.index(role) in guilty)
    ]
    if not failed or job.state is not AppState.FAILED:
        return None
    lost = {*job.failed_nodes}
    return min(
        failed,
        key=lambda f: (
            f[2].host not in lost if lost else 0,
            f[:2] not in causes,
            not failed_itself(f[2]),
            f[2].stopped,
            f[2].code == _BY_SIGTERM,
            f[2].time,
            names.index(f[0]),
            f[1],
        ),
    )


def failed_itself(note: ReplicaNote) -> bool:
    """Whether a replica failed before anybody asked it to end."""
    return bool(note.code) and not note.stopped


def _went_down(note: ReplicaNote, job: BatchJob) -> bool:
    return note.stopped or note.code == _BY_SIGTERM or (note.code is None and note.host not in job.failed_nodes)


def _replica_state(job: BatchJob, part: BatchPart | None, note: ReplicaNote | None) -> AppState:
    if job.state in (AppState.SUBMITTED, AppState.PENDING, AppState.UNKNOWN):
        return job.state
    stale = note is not None and job.restarts >= 0 and note.attempt < job.restarts
    if job.state is AppState.SUCCEEDED:
        return AppState.FAILED if note is not None and note.code and not stale else job.state
    if note is None or stale:
        if job.state is AppState.RUNNING:
            return AppState.PENDING
        return part.state if part and is_terminal(part.state) else job.state
    if note.code == 0:
        halfway = note.stopped and job.state in (AppState.FAILED, AppState.CANCELLED)  # its shell may have gone on
        return AppState.CANCELLED if halfway else AppState.SUCCEEDED
    if note.code is None and job.state is AppState.RUNNING:
        return AppState.RUNNING
    if job.state is AppState.CANCELLED:
        return AppState.CANCELLED
    if note.code is None and part is not None and part.state is not AppState.FAILED and is_terminal(part.state):
        return AppState.CANCELLED  # it went down with the others
    return AppState.FAILED


def _error(folder: str, role: str, k: int) -> str:
    from torchx.schedulers.error_files import read_error

    own = os.path.join(folder, replica_folder(role, k))
    return read_error(os.path.join(own, ERROR_FILE), os.path.join(own, STDERR_LOG))
