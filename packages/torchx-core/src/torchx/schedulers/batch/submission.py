"""Submits a request once, whatever becomes of the batch system's answers."""

from __future__ import annotations

from torchx.errors import TorchXError, TransientError
from torchx.schedulers.batch.jobfiles import files_of
from torchx.schedulers.batch.place import OWNER_FILE
from torchx.schedulers.batch.registry import ONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.schedulers.batch.job import BatchSystem
    from torchx.schedulers.batch.registry import Registry, Site
    from torchx.schedulers.batch.request import BatchRequest

SUBMIT_TIMEOUT = 60.0
"""Seconds for which a submission is tried again while the batch system does not answer."""

_CLAIM = 'cd "$1" && (umask 077; set -C; echo "$2" >"$3") 2>/dev/null; cat "$3"'


def submit_once(request: BatchRequest, system: BatchSystem, registry: Registry, site: Site = ONLY) -> str:
    """Writes a job's files and submits it; only looks it up where that has been done before.

    Args:
        request: the job.
        system: where to.
        registry: remembers what was submitted.
        site: where that is.

    Returns:
        The job's id.

    Raises:
        TorchXError: the batch system refuses the job, or its files can't be written. Nothing is left of it.
        TransientError: the batch system does not answer; calling again is safe.
    """
    with registry.lock(request.key):
        known = registry.submission(request.key)
        if known is not None and known["app_id"]:
            return str(known["app_id"])
        files = files_of(system.commands)
        folder = files.make(request.folder)
        try:
            files.write(folder, request.files(folder))
            registry.begin(request.key)
            app_id = _send(system, request, folder, tried=known is not None)
        except TransientError:
            raise
        except Exception:
            files.remove(folder)
            registry.forget(request.key)
            raise
        registry.submitted(request.key, app_id, folder=folder, site=site)
        return app_id


def _send(system: BatchSystem, request: BatchRequest, folder: str, *, tried: bool) -> str:
    from torchx.util.retry import retry

    def attempt() -> str:
        nonlocal tried
        found = system.find(request.key) if tried else []
        tried_before, tried = tried, True
        app_id = found[0] if found else system.submit(request, folder)
        return _only_one(system, request.key, folder, app_id) if tried_before else app_id

    return retry(attempt, transient=(TransientError,), first_delay=1, max_delay=10, total_timeout=SUBMIT_TIMEOUT)


def _only_one(system: BatchSystem, key: str, folder: str, app_id: str) -> str:
    """The one job of a submission that was repeated, because its answer was lost; others are ended.

    A job's script runs only for the job whose id is in `OWNER_FILE`, which the first of them writes. It is written here
    for the job that is kept, unless one has begun.
    """
    try:
        found = system.find(key)
        if len({*found, app_id}) < 2:
            return app_id
        kept = system.commands.run(["sh", "-c", _CLAIM, "sh", folder, found[0], OWNER_FILE]).text.strip()
        kept = kept if kept in found else app_id
        for other in found:
            if other != kept:
                system.cancel(other)
    except TorchXError:  # the answer to the submission stands
        return app_id
    return kept
