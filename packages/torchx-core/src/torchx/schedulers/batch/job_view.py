"""A job as users see it: the batch system's word, put together with what was submitted and what the replicas noted."""

from __future__ import annotations

from torchx.errors import TorchXError
from torchx.schedulers.api import DescribeAppResponse
from torchx.specs.api import NONE, AppState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.schedulers.batch.job import BatchJob
    from torchx.schedulers.batch.place import JobPlace
    from torchx.schedulers.batch.replica_states import ReplicaNote


def is_doubtful(job: BatchJob | None) -> bool:
    """Whether the job's own note of its end says more than the batch system."""
    return job is None or job.lost or job.state is AppState.UNKNOWN


def settled(app_id: str, job: BatchJob | None, place: JobPlace | None) -> BatchJob | None:
    """The job by its own note of its end, where the batch system has forgotten it, or can't tell about it now."""
    if not is_doubtful(job) or place is None:
        return job
    return place.noted_end(app_id) or job


def plain_response(job: BatchJob) -> DescribeAppResponse:
    """What the batch system says."""
    return DescribeAppResponse(
        app_id=job.app_id, state=job.state, num_restarts=max(job.restarts, 0), msg=job.msg, name=job.name
    )


def full_response(job: BatchJob, place: JobPlace) -> DescribeAppResponse:
    """What the batch system says, with what was submitted, and what the replicas noted."""
    from torchx.schedulers.batch.replica_states import failure, read_notes, role_statuses
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
    response.roles_statuses = role_statuses(job, record, notes, local)
    culprit = failure(job, record, notes)
    if culprit is not None:
        _blame(response, job.msg, *culprit)
    return response


def _blame(response: DescribeAppResponse, message: str, role: str, k: int, note: ReplicaNote) -> None:
    """Tells which replica it was, and its own error."""
    from torchx.schedulers.batch.replica_states import ended_text

    ended = ended_text(note.code)
    text = f"{role}/{k} on {note.host}: {ended}"
    response.msg = text if message in ("", ended) else f"{message}; {text}"
    errors = {(r.role, r.id): r.structured_error_msg for s in response.roles_statuses for r in s.replicas}
    error = errors.get((role, k), NONE)
    response.structured_error_msg = NONE if error == ended else error  # that is in the message
