"""The scheduler that all batch systems share: one submission for one dry run, states, logs, deletion."""

from __future__ import annotations

import abc
import os
from collections.abc import Iterable, Mapping
from weakref import WeakValueDictionary

from torchx.errors import TorchXError, TransientError, UsageError
from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler, Stream
from torchx.schedulers.batch.commands import commands_on
from torchx.schedulers.batch.job import BatchJob, BatchSystem
from torchx.schedulers.batch.jobfiles import files_of
from torchx.schedulers.batch.place import JobPlace, may_restart, read_place, role_of
from torchx.schedulers.batch.registry import Registry
from torchx.schedulers.batch.request import JOBS_FOLDER, new_key
from torchx.schedulers.batch.submission import submit_once
from torchx.specs.api import NONE, AppDef, AppDryRunInfo, AppState, CfgVal, is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, List, Optional  # noqa: UP035  # `list` is a method here

    from torchx.schedulers.batch.commands import Commands
    from torchx.schedulers.batch.jobfiles import JobFiles
    from torchx.schedulers.batch.logs import RemoteLogs
    from torchx.schedulers.batch.polling import StatusPoll
    from torchx.schedulers.batch.request import BatchRequest
    from torchx.schedulers.logs import LogSource

CANCEL_TIMEOUT = 20.0
"""Seconds for which a cancellation is tried again while the batch system does not answer."""

DETAILED = 50
"""So many jobs may be described at once with what their replicas noted; of more, only what the batch system says."""


class BatchScheduler(Scheduler[Mapping[str, CfgVal]]):
    """Base class of schedulers for batch systems. A subclass gives `system` and `build_request`.

    Args:
        backend: the scheduler's name.
        session_name: name of the runner's session.
        host: the login node to ask about jobs that were not submitted from here; None: this machine.
    """

    def __init__(self, backend: str, session_name: str, *, host: str | None = None) -> None:
        super().__init__(backend, session_name)
        self._host = host
        self._registry = Registry(backend)
        self._systems: dict[str | None, BatchSystem] = {}
        self._polls: WeakValueDictionary[str, StatusPoll[AppState | None]] = WeakValueDictionary()
        self._followed: WeakValueDictionary[str, JobPlace] = WeakValueDictionary()
        self._remote_logs: WeakValueDictionary[str, RemoteLogs] = WeakValueDictionary()

    # -- what a subclass supplies ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def system(self, commands: Commands) -> BatchSystem:
        """The batch system, asked by these commands."""

    @abc.abstractmethod
    def build_request(self, app: AppDef, cfg: Mapping[str, CfgVal], *, key: str, folder: str) -> BatchRequest:
        """Translates a job. Contacts nothing.

        Args:
            app: the job.
            cfg: resolved options.
            key: the job's unique name.
            folder: the job's folder.
        """

    def host_of(self, cfg: Mapping[str, CfgVal]) -> str | None:
        """The login node that the options name; the scheduler's own by default."""
        host = cfg.get("ssh_host") or self._host
        return None if host is None else str(host)

    # -- submission ------------------------------------------------------------------------------------------------

    def _submit_dryrun(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> AppDryRunInfo[Any]:
        key = new_key(app.name)
        request = self.build_request(app, cfg, key=key, folder=self._folder(key, cfg))
        request.host = self.host_of(cfg)
        request.session = self.session_name
        return AppDryRunInfo(request, lambda request: request.render())

    def schedule(self, dryrun_info: AppDryRunInfo[Any]) -> str:
        """Submits a job. One dry run makes one job, also where the batch system's answer is lost.

        Raises:
            TorchXError: the batch system refuses the job, or its files can't be written. Nothing is left of it.
            TransientError: the batch system does not answer; calling again is safe.
        """
        request: BatchRequest = dryrun_info.request
        return submit_once(request, self._system(request.host), self._registry)

    def _folder(self, key: str, cfg: Mapping[str, CfgVal]) -> str:
        job_dir = cfg.get("job_dir")
        if job_dir:
            parent = os.path.join(str(job_dir).removeprefix("file://"), JOBS_FOLDER)
        elif self.host_of(cfg):
            parent = os.path.join("~", ".torchx", self.backend, "jobs")
        else:
            parent = os.path.join(self._registry.root, "jobs")
        return os.path.join(parent if self.host_of(cfg) else os.path.abspath(os.path.expanduser(parent)), key)

    # -- a submitted job -------------------------------------------------------------------------------------------

    def describe(self, app_id: str) -> Optional[DescribeAppResponse]:
        return self.describe_many([app_id])[app_id]

    def describe_many(self, app_ids: Iterable[str]) -> dict[str, Optional[DescribeAppResponse]]:
        ids = [*dict.fromkeys(app_ids)]
        found: dict[str, BatchJob] = {}
        for host, group in self._by_host(ids).items():
            found.update(self._query(host, group))
        detailed = len(ids) <= DETAILED
        return {app_id: self._response(app_id, found.get(app_id), detailed) for app_id in ids}

    def _by_host(self, app_ids: Iterable[str]) -> dict[str | None, list[str]]:
        groups: dict[str | None, list[str]] = {}
        hidden, known = self._registry.deleted_ids(), self._registry.job_ids()
        for app_id in app_ids:
            if app_id not in hidden:
                entry = self._registry.job(app_id) if app_id in known else None
                groups.setdefault(entry["host"] if entry else self._host, []).append(app_id)
        return groups

    def _query(self, host: str | None, app_ids: list[str]) -> dict[str, BatchJob]:
        try:
            return self._system(host).query(app_ids)
        except TransientError as error:
            known = [app_id for app_id in app_ids if self._registry.job(app_id)]
            if not known:
                raise
            return {app_id: BatchJob(app_id, AppState.UNKNOWN, msg=error.message) for app_id in known}

    def _response(self, app_id: str, job: BatchJob | None, detailed: bool) -> Optional[DescribeAppResponse]:
        place = self._place(app_id, job) if detailed or _is_doubtful(job) else None
        if _is_doubtful(job) and place is not None:
            job = place.noted_end(app_id) or job
        if job is None:
            return None
        response = DescribeAppResponse(
            app_id=app_id, state=job.state, num_restarts=max(job.restarts, 0), msg=job.msg, name=job.name
        )
        if place is not None:
            self._fill_in(response, job, place)
        return response

    def _fill_in(self, response: DescribeAppResponse, job: BatchJob, place: JobPlace) -> None:
        """Adds what was submitted, and what the replicas noted."""
        from torchx.schedulers.batch.replica_states import ended_text, failure, read_notes, role_statuses
        from torchx.schedulers.role_records import role_from_record

        record = place.record
        response.name = record["name"]
        response.metadata = record["metadata"]
        response.roles = [role_from_record(role) for role in record["roles"]]
        if job.restarts < 0:
            job.restarts = place.noted_restarts(job.state)
        response.num_restarts = job.restarts
        try:
            notes = read_notes(place.files, place.folder, record)
        except TorchXError:  # the states are right without them
            notes = {}
        local = place.folder if place.host is None else None
        response.roles_statuses = role_statuses(job, record, notes, local)
        culprit = failure(job, record, notes)
        if culprit is not None:
            role, k, note = culprit
            ended = ended_text(note.code)
            text = f"{role}/{k} on {note.host}: {ended}"
            response.msg = text if job.msg in ("", ended) else f"{job.msg}; {text}"
            replicas = {(r.role, r.id): r.structured_error_msg for s in response.roles_statuses for r in s.replicas}
            error = replicas.get((role, k), NONE)
            response.structured_error_msg = NONE if error == ended else error  # that is in the message

    def describe_native(self, app_id: str) -> Optional[AppDryRunInfo[Any]]:
        if self._registry.is_deleted(app_id):
            return None
        entry = self._registry.job(app_id)
        job = self._system(entry["host"] if entry else self._host).query([app_id]).get(app_id)
        if job is None:
            return None
        import json

        return AppDryRunInfo(job.native, lambda native: json.dumps(native, indent=2, default=str))

    def list(self, cfg: Mapping[str, CfgVal] | None = None) -> List[ListAppResponse]:  # noqa: UP006
        hidden = self._registry.deleted_ids()
        jobs = [job for job in self._system(self.host_of(cfg or {})).jobs() if job.app_id not in hidden]
        for i, job in enumerate(jobs):
            place = self._place(job.app_id, job) if _is_doubtful(job) else None
            jobs[i] = (place.noted_end(job.app_id) if place else None) or job
        return [ListAppResponse(app_id=job.app_id, state=job.state, name=job.name) for job in jobs]

    def _cancel_existing(self, app_id: str) -> None:
        from torchx.util.retry import retry

        entry = self._registry.job(app_id)
        system = self._system(entry["host"] if entry else self._host)
        retry(lambda: system.cancel(app_id), transient=(TransientError,), total_timeout=CANCEL_TIMEOUT)

    def _delete_existing(self, app_id: str) -> None:
        """Cancels the job, removes its folder with the logs, and hides it: the batch system itself may remember it."""
        self._cancel_existing(app_id)
        entry = self._registry.job(app_id)
        if entry is not None:
            self._files(entry["host"]).remove(entry["folder"])
        self._registry.deleted(app_id)

    # -- logs ------------------------------------------------------------------------------------------------------

    def log_source(
        self,
        app_id: str,
        role_name: str,
        k: int = 0,
        *,
        since: Optional[datetime] = None,
        until: Optional[datetime] = None,
        streams: Optional[Stream] = None,
    ) -> LogSource:
        """One replica's log files. Lines carry no times here: ``since`` and ``until`` are warned about and ignored.

        Without ``streams`` both files are read as one, lines in the order in which they are found.
        """
        from torchx.schedulers.batch.logs import MergedSource, ReplicaFile, has_ended
        from torchx.schedulers.batch.replica import STATE_FILE, STDERR_LOG, STDOUT_LOG
        from torchx.schedulers.batch.replica_states import replica_folder

        if since is not None or until is not None:
            import logging

            logging.getLogger(__name__).warning("logs of `%s` have no times: since and until are ignored", self.backend)
        place = self._followed.get(app_id) or self._existing_place(app_id)
        self._followed[app_id] = place  # for as long as one of its logs is followed
        role = role_of(place.record, app_id, role_name, k)
        below = os.path.join(place.folder, replica_folder(role_name, k))
        note = os.path.join(below, STATE_FILE) if place.host is None else None
        final = not may_restart(place.record, role)
        names = {Stream.STDOUT: [STDOUT_LOG], Stream.STDERR: [STDERR_LOG]}.get(
            streams or Stream.COMBINED, [STDOUT_LOG, STDERR_LOG]
        )
        finished = has_ended(note, self._job_ended(app_id, place), final)
        paths = [os.path.join(below, name) for name in names]
        if place.host is None:
            sources: list[LogSource] = [ReplicaFile(path, finished) for path in paths]
        else:
            remote = self._remote(app_id, place.host)
            sources = [remote.source(path, finished) for path in paths]
        return sources[0] if len(sources) == 1 else MergedSource(*sources)

    def _remote(self, app_id: str, host: str) -> RemoteLogs:
        from torchx.schedulers.batch.logs import RemoteLogs

        return self._remote_logs.setdefault(app_id, RemoteLogs(self._commands(host)))

    def _job_ended(self, app_id: str, place: JobPlace) -> Any:
        """Whether the job has ended; all who ask share one question, which is put rarely."""
        from torchx.schedulers.batch.polling import StatusPoll

        system = self._system(place.host)

        def ask() -> AppState | None:
            job = system.query([app_id]).get(app_id)
            if _is_doubtful(job):
                job = place.noted_end(app_id) or job
            if job is not None and job.state is AppState.UNKNOWN:
                raise TransientError(job.msg)
            return None if job is None else job.state

        poll = self._polls.setdefault(app_id, StatusPoll(ask))

        def ended() -> bool:
            state = poll.last()
            return state is None or is_terminal(state)

        return ended

    # -- where things are ------------------------------------------------------------------------------------------

    def _commands(self, host: str | None) -> Commands:
        return self._system(host).commands

    def _files(self, host: str | None) -> JobFiles:
        return files_of(self._commands(host))

    def _system(self, host: str | None) -> BatchSystem:
        system = self._systems.get(host)
        if system is None:
            system = self._systems.setdefault(host, self.system(commands_on(host)))
        return system

    def _place(self, app_id: str, job: BatchJob | None) -> JobPlace | None:
        """Where a job's files are: as noted at its submission, else where its own script lies."""
        entry = self._registry.job(app_id)
        if entry is not None and job is not None and job.folder and job.folder != entry["folder"]:
            entry = None  # a job of another cluster with the same id
        host = entry["host"] if entry else self._host
        folder = entry["folder"] if entry else job.folder if job else None
        if not folder:
            return None
        return read_place(self._files(host), host, folder)

    def _existing_place(self, app_id: str) -> JobPlace:
        deleted = self._registry.is_deleted(app_id)
        entry = None if deleted else self._registry.job(app_id)
        place = self._place(app_id, None) if entry else None
        if place is None and not deleted:
            job = self._query(entry["host"] if entry else self._host, [app_id]).get(app_id)
            place = self._place(app_id, job) if job else None
            if job is not None and place is None:
                raise TorchXError(
                    f"the files of `{app_id}` can't be found",
                    hint="it was not submitted by torchx, or its folder is gone, or not to be seen from this machine",
                )
        if place is None:
            raise UsageError(
                f"there is no {self.backend} job `{app_id}`",
                hint=f"`torchx list -s {self.backend}` shows what there is",
            )
        return place


def _is_doubtful(job: BatchJob | None) -> bool:
    """Whether the job's own note of its end says more than the batch system."""
    return job is None or job.lost or job.state is AppState.UNKNOWN
