"""What is known of a job, shared by all in this process who wait for it, follow it, or look at it now and then.

The batch system is asked rarely. Between two questions the job's folder tells what a user waits for: that the job has
begun, and how it has ended.
"""

from __future__ import annotations

import time
from _thread import allocate_lock

from torchx.errors import TorchXError
from torchx.schedulers.batch.exit_status import BY_SIGNAL
from torchx.schedulers.batch.job import BatchJob
from torchx.schedulers.batch.place import ATTEMPT_FILE, END_FILE
from torchx.schedulers.batch.polling import StatusPoll
from torchx.specs.api import AppState, is_terminal
from torchx.util.light_dataclass import dataclass
from torchx.util.light_generic import TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from torchx.schedulers.batch.place import JobPlace

V = TypeVar("V")

FAR_LOOK = 5.0
"""Seconds between two looks into a folder on a login node."""

MOST = 1000
"""So many jobs are watched at most; those that were looked at longest ago are forgotten."""

_WAITING = (AppState.SUBMITTED, AppState.PENDING)


@dataclass(frozen=True)
class FolderNotes:
    """What a job's script has noted.

    Attributes:
        attempt: how often it had been started before the last time.
        end: its exit status.
    """

    attempt: str = ""
    end: str = ""


NOTHING_NOTED = FolderNotes()


class JobWatch:
    """One job.

    Args:
        ask: asks the batch system; None where it does not know the job.
        place: where the job's folder is, if that is known; what the batch system told may help to find it.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        ask: Callable[[], BatchJob | None],
        place: Callable[[BatchJob | None], JobPlace | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asks = ask
        self._find = place
        self._clock = clock
        self._place: JobPlace | None = None
        self._before = NOTHING_NOTED
        self._notes = NOTHING_NOTED
        self._look_again = float("-inf")
        self._poll = StatusPoll(self._ask, same=_is_same, clock=clock)
        self._answers = 0
        self._view: tuple[BatchJob | None, object] | None = None
        self._view_again = float("-inf")
        self._why: tuple[int, int, str] = (0, 0, "")

    def job(self) -> BatchJob | None:
        """What is known now; None where the batch system does not know the job.

        Raises:
            TransientError: the batch system does not answer.
        """
        job = self._poll.last()
        if job is None or is_terminal(job.state):
            return job
        noted = self._with_notes(job)
        if noted is None:  # ended in a way that only the batch system can explain
            self._poll.hurry()
            job = self._poll.last()
            return job if job is None or is_terminal(job.state) else self._with_notes(job) or job
        return noted

    def told(self, job: BatchJob | None, before: FolderNotes) -> BatchJob | None:
        """Takes what somebody else has been told of the job just now.

        Args:
            job: what the batch system said.
            before: `notes` from before that.

        Returns:
            What `job` would return now.
        """
        self._remember(job, before)
        self._poll.tell(job)
        return job if job is None or is_terminal(job.state) else self._with_notes(job) or job

    def notes(self) -> FolderNotes:
        """What the job's folder holds now, as far as that is known."""
        if self._place is None:
            self._place = self._find(None)
        return self._look(at_once=True)

    def place(self) -> JobPlace | None:
        """Where the job's folder is, as far as that is known."""
        return self._place

    def ending(self) -> None:
        """The job's end was asked for."""
        self._poll.expect()

    def why_again(self, restarts: int, ask: Callable[[], str]) -> str:
        """Why the job waits again; asked for until it is known, once for each answer of the batch system."""
        told_for, answers, text = self._why
        if told_for != restarts or (not text and answers != self._answers):
            text = ask()
            self._why = (restarts, self._answers, text)
        return text

    def view(self, job: BatchJob | None, make: Callable[[], V]) -> V:
        """What users see of the job; where its folder is far, made anew only after some time, or for another state.

        Args:
            job: from `job`.
            make: makes it.
        """
        if self._place is None or self._place.host is None:
            return make()
        if self._view is None or self._view[0] != job or self._clock() >= self._view_again:
            self._view = (job, make())
            self._view_again = self._clock() + FAR_LOOK
        return self._view[1]  # type: ignore[return-value]  # all make the same

    def _ask(self) -> BatchJob | None:
        before = self.notes()
        job = self._asks()
        self._remember(job, before)
        return job

    def _remember(self, job: BatchJob | None, before: FolderNotes) -> None:
        self._before = before
        self._answers += 1
        found = self._find(job)
        if found is None and (job is None or job.state is AppState.UNKNOWN):
            return  # that tells nothing of where it is
        if found is None or self._place is None or found.folder != self._place.folder:
            self._place = found
            self._before = self._look(at_once=True)

    def _with_notes(self, job: BatchJob) -> BatchJob | None:
        """The job with what its folder tells since the batch system was asked; None: it has to be asked again."""
        notes = self._look()
        runs = job.state is AppState.RUNNING  # a note of its end is not one of an earlier run: that is removed first
        if notes.end.isdigit() and (runs or (notes.end != self._before.end and job.state in _WAITING)):
            code = int(notes.end)
            if code > BY_SIGNAL:
                return None
            state = AppState.FAILED if code else AppState.SUCCEEDED
            message = f"exit code {code}" if code else ""
            return _changed(job, state, restarts=_number(notes.attempt, job.restarts), msg=message)
        if job.state in _WAITING and notes.attempt.isdigit() and notes.attempt != self._before.attempt:
            return _changed(job, AppState.RUNNING, restarts=int(notes.attempt), msg="")
        return job

    def _look(self, *, at_once: bool = False) -> FolderNotes:
        if self._place is None:
            return NOTHING_NOTED
        if at_once or self._place.host is None or self._clock() >= self._look_again:
            self._notes = read_notes(self._place)
            self._look_again = self._clock() + FAR_LOOK
        return self._notes


class Watches:
    """The jobs that are watched, by any key; a bounded number."""

    def __init__(self) -> None:
        self._watches: dict[object, JobWatch] = {}
        self._lock = allocate_lock()

    def get(self, key: object, make: Callable[[], JobWatch]) -> JobWatch:
        """The watch of a job; made if there is none."""
        with self._lock:
            watch = self._watches.pop(key, None) or make()
            self._watches[key] = watch
            if len(self._watches) > MOST:
                del self._watches[next(iter(self._watches))]
        return watch

    def forget(self, key: object) -> None:
        """Nothing is known of a job any more."""
        with self._lock:
            self._watches.pop(key, None)


def read_notes(place: JobPlace) -> FolderNotes:
    """What the script of a job has noted in its folder; nothing where that can't be read now."""
    try:
        found = place.files.read(place.folder, [ATTEMPT_FILE, END_FILE])
    except TorchXError:
        return NOTHING_NOTED
    texts = [found.get(name, b"").decode("ascii", "replace").strip() for name in (ATTEMPT_FILE, END_FILE)]
    return FolderNotes(*texts)


def _changed(job: BatchJob, state: AppState, *, restarts: int, msg: str) -> BatchJob:
    return BatchJob(
        job.app_id, state, name=job.name, msg=msg, restarts=restarts, folder=job.folder, native=job.native, bare=True
    )


def _number(text: str, default: int) -> int:
    return int(text) if text.isdigit() else default


def _is_same(one: BatchJob | None, other: BatchJob | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.state, one.restarts) == (other.state, other.restarts)
