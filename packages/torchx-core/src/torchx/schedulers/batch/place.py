"""A job's folder as it is found later: what was submitted, and what the job noted itself."""

from __future__ import annotations

import contextlib

from torchx.errors import TorchXError, UsageError, nearest
from torchx.schedulers.batch.exit_status import ended_text
from torchx.schedulers.batch.job import BatchJob
from torchx.schedulers.batch.request import BATCH_LOG, RECORD_FILE
from torchx.specs.api import AppState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torchx.schedulers.batch.jobfiles import JobFiles

END_FILE = "end"
"""In a job's folder: the exit status of its script, once that has ended for good."""

CANCELLED_FILE = "cancelled"
"""In a job's folder: the user has ended the job, before its script had noted an end."""

OWNER_FILE = "owner"
"""In a job's folder: the id of the job that runs it; of several with one key, the others do nothing."""

ATTEMPT_FILE = "attempt"
"""In a job's folder: how often its script had been started before the last time."""


class JobPlace:
    """Where a job's folder is, and what it was submitted as.

    Attributes:
        files: reads it.
        host: the login node; None: this machine.
        folder: the job's folder.
        record: what was submitted.
    """

    def __init__(self, files: JobFiles, host: str | None, folder: str, record: dict[str, Any]) -> None:
        self.files = files
        self.host = host
        self.folder = folder
        self.record = record

    def noted_restarts(self, state: AppState) -> int:
        """How often the job was started again; one more where it waits for that."""
        text = self._noted(ATTEMPT_FILE)
        return int(text) + (state in (AppState.SUBMITTED, AppState.PENDING)) if text.isdigit() else 0

    def noted_end(self, app_id: str) -> BatchJob | None:
        """The job by the exit status that its script noted; None where it has noted none.

        For a job that the batch system has forgotten, or can't tell about now.
        """
        try:
            notes = self.files.read(self.folder, [END_FILE, CANCELLED_FILE])
        except TorchXError:
            return None
        return noted_end(app_id, self.record["name"], notes.get(END_FILE), notes.get(CANCELLED_FILE))

    def note_cancelled(self) -> None:
        """Notes that the user has ended the job; where nothing can be written, only the batch system knows it."""
        with contextlib.suppress(TorchXError):
            self.files.write(self.folder, {CANCELLED_FILE: b"1\n"})

    def has_ended(self) -> bool:
        """Whether the job's script has noted its end."""
        return bool(self._noted(END_FILE))

    def is_unwritable(self) -> bool:
        """Whether the job's script could write nothing into the folder when it began."""
        try:
            return self.files.read(self.folder, [OWNER_FILE]).get(OWNER_FILE) == b""
        except TorchXError:
            return False

    def batch_log(self) -> str:
        """What the batch system wrote about the job; empty where that can't be read."""
        return self._noted(BATCH_LOG)

    def _noted(self, name: str) -> str:
        try:
            return self.files.read(self.folder, [name]).get(name, b"").decode("utf-8", "replace").strip()
        except TorchXError:
            return ""


def noted_end(app_id: str, name: str, end: bytes | None, cancelled: bytes | None) -> BatchJob | None:
    """A job by what is noted in its folder; None where that is nothing.

    Args:
        app_id: its id.
        name: its name.
        end: what `END_FILE` holds.
        cancelled: what `CANCELLED_FILE` holds.
    """
    text = (end or b"").decode("ascii", "replace").strip()
    if text == "0":
        return BatchJob(app_id, AppState.SUCCEEDED, name=name)
    if cancelled is not None:
        return BatchJob(app_id, AppState.CANCELLED, name=name)
    if not text.isdigit():
        return None
    return BatchJob(app_id, AppState.FAILED, name=name, msg=ended_text(int(text)), bare=True)


def read_place(files: JobFiles, host: str | None, folder: str) -> JobPlace | None:
    """A job's folder; None where it was removed, belongs to another user, holds no job, or its record is damaged."""
    import json

    try:
        record = json.loads(files.read(folder, [RECORD_FILE])[RECORD_FILE])
    except (TorchXError, KeyError, ValueError):
        return None
    return JobPlace(files, host, folder, record) if _is_whole(record) else None


def _is_whole(record: object) -> bool:
    """Whether a record has all that is read from it."""
    from torchx.schedulers.role_records import role_from_record

    if not (isinstance(record, dict) and isinstance(record.get("name"), str)):
        return False
    if not (isinstance(record.get("metadata"), dict) and isinstance(record.get("roles"), list)):
        return False
    try:
        counts = [role_from_record(role).num_replicas for role in record["roles"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return all(isinstance(count, int) for count in counts)


def role_of(record: Mapping[str, Any], app_id: str, role_name: str, k: int) -> Mapping[str, Any]:
    """The record of a role, which must have a replica of this number.

    Raises:
        UsageError: it has not; names what there is.
    """
    names = [role["name"] for role in record["roles"]]
    if role_name not in names:
        raise UsageError(
            f"`{app_id}` has no role `{role_name}`", hint=nearest(role_name, names) or f"its roles: {', '.join(names)}"
        )
    role: Mapping[str, Any] = record["roles"][names.index(role_name)]
    count = role["spec"]["num_replicas"]
    if not 0 <= k < count:
        raise UsageError(f"role `{role_name}` of `{app_id}` has no replica {k}", hint=f"it has {count}, from 0")
    return role


def may_restart(record: Mapping[str, Any], role: Mapping[str, Any]) -> bool:
    """Whether a replica of a role may run again after its program has ended."""
    return role["max_retries"] > 0 or any(
        r["max_retries"] > 0 and r["retry_policy"] == "APPLICATION" for r in record["roles"]
    )
