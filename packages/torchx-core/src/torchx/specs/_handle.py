"""App handles: the URI that names one submitted job."""

from __future__ import annotations

from torchx.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from torchx.specs._types import AppHandle


class MalformedAppHandleException(UsageError, ValueError):
    """A text is not ``{scheduler}://{session}/{app_id}``.

    Args:
        app_handle: the text.
    """

    def __init__(self, app_handle: str) -> None:
        super().__init__(
            f"malformed app handle `{app_handle}`",
            hint="expected SCHEDULER://SESSION/APP_ID, e.g. `local_cwd://torchx/my_job_abc12`",
        )
        self.app_handle = app_handle


class UnknownSchedulerException(UsageError, LookupError):
    """No scheduler of that name is installed.

    Args:
        scheduler_backend: the name that was asked for.
    """

    def __init__(self, scheduler_backend: str) -> None:
        super().__init__(f"unknown scheduler `{scheduler_backend}`", hint="`torchx runopts` lists the schedulers")
        self.scheduler_backend = scheduler_backend


class UnknownAppException(UsageError, LookupError):
    """The scheduler does not know the job, or knows it no longer.

    Args:
        app_handle: handle of the job.
    """

    # Nothing is wrong with the question: the job was there, or is on another machine.
    exit_code = 1

    def __init__(self, app_handle: AppHandle) -> None:
        super().__init__(
            f"unknown app `{app_handle}`",
            hint="it does not exist, or the scheduler has already removed it; `torchx list` shows what there is",
        )
        self.app_handle = app_handle


if TYPE_CHECKING:

    class _Parts(NamedTuple):
        scheduler_backend: str
        session_name: str
        app_id: str

else:
    from collections import namedtuple

    _Parts = namedtuple("_Parts", ["scheduler_backend", "session_name", "app_id"])


class ParsedAppHandle(_Parts):
    """The parts of an app handle: a named tuple.

    Attributes:
        scheduler_backend: name of the scheduler.
        session_name: name of the session that submitted the job; may be empty.
        app_id: the scheduler's id of the job.
    """

    __slots__ = ()


def make_app_handle(scheduler_backend: str, session_name: str, app_id: str) -> str:
    """Joins the parts to an app handle.

    >>> make_app_handle("slurm", "torchx", "123")
    'slurm://torchx/123'
    """
    return f"{scheduler_backend}://{session_name}/{app_id}"


def parse_app_handle(app_handle: str) -> ParsedAppHandle:
    """Splits an app handle into its parts.

    Raises:
        MalformedAppHandleException: the text is no app handle.

    >>> parse_app_handle("slurm:///123")
    ParsedAppHandle(scheduler_backend='slurm', session_name='', app_id='123')
    """
    scheduler, separator, rest = app_handle.partition("://")
    session, slash, app_id = rest.partition("/")
    if not (scheduler and separator and slash and app_id) or _has_any(scheduler, ":/") or _has_any(app_id, "/"):
        raise MalformedAppHandleException(app_handle)
    if any(part.isspace() for part in (*scheduler, *app_id)) or "\n" in session:
        raise MalformedAppHandleException(app_handle)
    return ParsedAppHandle(scheduler, session, app_id)


def _has_any(text: str, characters: str) -> bool:
    return any(c in text for c in characters)
