"""A job as users see it: the batch system's word, put together with what was submitted and what the replicas noted."""

from __future__ import annotations

from torchx.errors import TorchXError
from torchx.schedulers.api import DescribeAppResponse
from torchx.specs.api import NONE, AppState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torchx.schedulers.batch.job import BatchJob
    from torchx.schedulers.batch.kills import Kill
    from torchx.schedulers.batch.place import JobPlace
    from torchx.schedulers.batch.replica_states import ReplicaNote


def is_doubtful(job: BatchJob | None) -> bool:
    """Whether the job's own note of its end says more than the batch system."""
    return job is None or job.lost or job.state is AppState.UNKNOWN


def settled(app_id: str, job: BatchJob | None, place: JobPlace | None) -> BatchJob | None:
    """The job by its own note of its end, where the batch system has forgotten it, or can't tell about it now."""
    if not is_doubtful(job) or place is None:
        return job
    return place.noted_end(app_id) or job or lost(app_id, place.record["name"])


def lost(app_id: str, name: str) -> BatchJob:
    """A job of ours of which nothing is known but that it was submitted."""
    from torchx.schedulers.batch.job import BatchJob

    return BatchJob(
        app_id, AppState.FAILED, name=name, lost=True, msg="lost: it is not known any more, and has noted no end"
    )


def plain_response(job: BatchJob) -> DescribeAppResponse:
    """What the batch system says."""
    return DescribeAppResponse(
        app_id=job.app_id, state=job.state, num_restarts=max(job.restarts, 0), msg=job.msg, name=job.name
    )


def full_response(job: BatchJob, place: JobPlace, kills: Callable[[str], Sequence[Kill]]) -> DescribeAppResponse:
    """What the batch system says, with what was submitted, and what the replicas noted.

    Args:
        job: what the batch system says.
        place: the job's folder.
        kills: finds in the job's log which replicas the batch system ended.
    """
    from torchx.schedulers.batch.replica_states import failed_itself, failure, read_notes, role_statuses
    from torchx.schedulers.role_records import role_from_record

    record = place.record
    if job.restarts < 0:
        job.restarts = place.noted_restarts(job.state)
    response = plain_response(job)
    response.name = record["name"]
    response.metadata = record["metadata"]
    response.roles = [role_from_record(role) for role in record["roles"]]
    try:
        notes = read_notes(place.files, place.folder, record)
    except TorchXError:  # the states are right without them
        notes = {}
    local = place.folder if place.host is None else None
    causes, doubt = _causes(job, place, kills, notes)
    response.roles_statuses = role_statuses(job, record, notes, local, causes)
    culprit = failure(job, record, notes, causes)
    message = doubt or ("" if job.bare else job.msg)
    if culprit is not None and (not doubt or culprit[:2] in causes or failed_itself(culprit[2])):
        _blame(response, message, *culprit, causes.get(culprit[:2]))
    elif doubt:
        response.msg = doubt
    elif job.bare and job.state is AppState.FAILED:
        noted = place.noted_end(job.app_id)
        response.msg = unwritable_text(place) if place.is_unwritable() else noted.msg if noted else job.msg
    return response


def unwritable_text(place: JobPlace) -> str:
    """What is told of a job that could write nothing into its folder."""
    return (
        f"nothing could be written to {place.folder} when the job began: free some space there, "
        "or name another folder on the shared file system with job_dir"
    )


def _causes(
    job: BatchJob,
    place: JobPlace,
    kills: Callable[[str], Sequence[Kill]],
    notes: Mapping[tuple[str, int], ReplicaNote],
) -> tuple[dict[tuple[str, int], str], str]:
    """Why the batch system ended replicas of a job that failed; and what is known where it can't be told of which."""
    if job.state is not AppState.FAILED:
        return {}, ""
    from torchx.schedulers.batch.kills import killed_replicas, last_try

    log = place.batch_log()
    return killed_replicas(kills(last_try(log)), notes) if log else ({}, "")


def _blame(
    response: DescribeAppResponse, message: str, role: str, k: int, note: ReplicaNote, cause: str | None
) -> None:
    """Tells which replica it was, and its own error."""
    from torchx.schedulers.batch.exit_status import ended_text

    ended = cause or ended_text(note.code, killed=note.killed)
    text = f"{role}/{k} on {note.host}: {ended}"
    response.msg = text if message in ("", ended) else f"{message}; {text}"
    errors = {(r.role, r.id): r.structured_error_msg for s in response.roles_statuses for r in s.replicas}
    error = errors.get((role, k), NONE)
    response.structured_error_msg = NONE if error == ended else error  # that is in the message
