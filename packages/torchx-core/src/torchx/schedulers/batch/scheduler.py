"""The scheduler that all batch systems share: one submission for one dry run, states, logs, deletion."""

from __future__ import annotations

import abc
import os
import time
from collections.abc import Iterable, Mapping
from weakref import WeakValueDictionary

from torchx.errors import TransientError, UsageError
from torchx.schedulers.api import DAYS_IN_2_WEEKS, DescribeAppResponse, ListAppResponse, Scheduler, Stream
from torchx.schedulers.batch.cancellation import cancel_within
from torchx.schedulers.batch.commands import all_within
from torchx.schedulers.batch.finder import JobFinder
from torchx.schedulers.batch.job import QUEUED_AGAIN, BatchJob, BatchSystem
from torchx.schedulers.batch.job_view import full_response, is_doubtful, lost, plain_response, settled
from torchx.schedulers.batch.registry import Registry, Site
from torchx.schedulers.batch.request import JOBS_FOLDER, new_key
from torchx.schedulers.batch.submission import submit_once
from torchx.schedulers.batch.watch import JobWatch, Watches
from torchx.specs.api import AppDef, AppDryRunInfo, AppState, CfgVal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, List, Optional  # noqa: UP035  # `list` is a method here

    from torchx.schedulers.batch.commands import Commands
    from torchx.schedulers.batch.job_logs import JobLogs
    from torchx.schedulers.batch.request import BatchRequest
    from torchx.schedulers.logs import LogSource

CANCEL_TIMEOUT = 20.0
"""Seconds that a cancellation takes at most, with all that is tried again while the batch system does not answer."""

ASK_TIMEOUT = 30.0
"""Seconds that a question about jobs takes at most, with all commands that are run for it."""

LISTED_SECONDS = DAYS_IN_2_WEEKS * 24 * 3600
"""So old a job that the batch system has forgotten may be to be listed."""

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
        self._jobs = JobFinder(backend, self._registry, self.system, host)
        self._watches = Watches()
        self._logs: WeakValueDictionary[tuple[Site, str], JobLogs] = WeakValueDictionary()

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
        site = self._jobs.site(request.host)
        app_id = submit_once(request, self._jobs.system(request.host), self._registry, site)
        self._watches.forget((site, app_id))  # a job of long ago may have had this id
        return app_id

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
        """What is known about a job now: the batch system is asked at once. Who asks again and again calls `poll`."""
        return self.describe_many([app_id])[app_id]

    def describe_many(self, app_ids: Iterable[str]) -> dict[str, Optional[DescribeAppResponse]]:
        with all_within(ASK_TIMEOUT):
            return self._describe_many([*dict.fromkeys(app_ids)])

    def _describe_many(self, ids: List[str]) -> dict[str, Optional[DescribeAppResponse]]:  # noqa: UP006
        described: dict[str, Optional[DescribeAppResponse]] = dict.fromkeys(ids)
        for site, group in self._jobs.sites_of(ids).items():
            if len(ids) > DETAILED:
                described.update(self._plain_responses(site, group))
                continue
            watches = {app_id: self._watch(app_id, site) for app_id in group}
            before = {app_id: watch.notes() for app_id, watch in watches.items()}
            jobs = self._query(site, group)
            for app_id, watch in watches.items():
                job = watch.told(jobs.get(app_id), before[app_id])
                described[app_id] = self._response(app_id, site, job, watch)
        return described

    def poll(self, app_id: str) -> Optional[DescribeAppResponse]:
        """As `describe`, for who asks again and again: the batch system is asked once in ten seconds at most, for all
        in this process who wait for the job or follow it, and once a minute while nothing changes. That the job has
        begun or ended is seen in its folder meanwhile.
        """
        site = self._jobs.site_of(app_id)
        if self._registry.is_deleted(app_id, site):
            return None
        watch = self._watch(app_id, site)
        job = watch.job()
        return watch.view(job, lambda: self._response(app_id, site, job, watch))

    def exists(self, app_id: str) -> bool:
        """Whether the job was submitted from here and not deleted, or the batch system knows it."""
        site = self._jobs.site_of(app_id)
        if self._registry.is_deleted(app_id, site):
            return False
        return self._jobs.is_known(app_id, site) or self.describe(app_id) is not None

    def _watch(self, app_id: str, site: Site) -> JobWatch:
        return self._watches.get(
            (site, app_id),
            lambda: JobWatch(lambda: self._ask(site, app_id), lambda job: self._jobs.place(app_id, site, job)),
        )

    def _ask(self, site: Site, app_id: str) -> BatchJob | None:
        with all_within(ASK_TIMEOUT):
            return self._query(site, [app_id]).get(app_id)

    def _query(self, site: Site, app_ids: list[str]) -> dict[str, BatchJob]:
        try:
            return self._jobs.system(site.host).query(app_ids)
        except TransientError as error:
            known = [app_id for app_id in app_ids if self._jobs.is_known(app_id, site)]
            if not known:
                raise
            return {app_id: BatchJob(app_id, AppState.UNKNOWN, msg=error.message) for app_id in known}

    def _plain_responses(self, site: Site, app_ids: List[str]) -> dict[str, Optional[DescribeAppResponse]]:  # noqa: UP006
        found = self._query(site, app_ids)
        told: dict[str, BatchJob | None] = {app_id: found.get(app_id) for app_id in app_ids}
        told.update(self._jobs.noted_ends({i: job for i, job in told.items() if is_doubtful(job)}, site))
        mine = self._registry.job_ids(site)
        told.update({i: lost(i, "") for i, job in told.items() if job is None and i in mine})
        return {app_id: None if job is None else plain_response(job) for app_id, job in told.items()}

    def _response(
        self, app_id: str, site: Site, job: BatchJob | None, watch: JobWatch
    ) -> Optional[DescribeAppResponse]:
        place = watch.place()
        job = settled(app_id, job, place)
        if job is None:
            return None
        if place is None:
            return plain_response(job)
        system = self._jobs.system(site.host)
        response = full_response(job, place, system.kills)
        if job.state is AppState.PENDING and response.num_restarts:
            why = watch.why_again(response.num_restarts, lambda: system.why_again(app_id))
            again = "" if QUEUED_AGAIN in job.msg else QUEUED_AGAIN
            response.msg = ", ".join(text for text in (why, again, job.msg) if text)
        return response

    def describe_native(self, app_id: str) -> Optional[AppDryRunInfo[Any]]:
        site = self._jobs.site_of(app_id)
        if self._registry.is_deleted(app_id, site):
            return None
        with all_within(ASK_TIMEOUT):
            job = self._jobs.system(site.host).query([app_id]).get(app_id)
        if job is None:
            return None
        import json

        return AppDryRunInfo(job.native, lambda native: json.dumps(native, indent=2, default=str))

    def list(self, cfg: Mapping[str, CfgVal] | None = None) -> List[ListAppResponse]:  # noqa: UP006
        site = self._jobs.site(self.host_of(cfg or {}))
        hidden = self._registry.deleted_ids(site)
        # First: a job that is submitted meanwhile must not look as if it were forgotten.
        recent = self._registry.submitted_since(time.time() - LISTED_SECONDS, site)
        with all_within(ASK_TIMEOUT):
            jobs = {job.app_id: job for job in self._jobs.system(site.host).jobs() if job.app_id not in hidden}
            jobs.update(self._jobs.noted_ends({i: job for i, job in jobs.items() if is_doubtful(job)}, site))
            forgotten = [app_id for app_id in recent if app_id not in jobs and app_id not in hidden]
            ended = self._jobs.noted_ends(dict.fromkeys(forgotten), site)
            jobs.update({app_id: ended.get(app_id) or lost(app_id, "") for app_id in forgotten})
        for job in jobs.values():
            if not job.name or "?" in job.name:  # which may stand for letters that an accounting can't keep
                place = self._jobs.place(job.app_id, site, None)
                job.name = place.record["name"] if place else job.name
        return [ListAppResponse(app_id=job.app_id, state=job.state, name=job.name) for job in jobs.values()]

    def cancel(self, app_id: str) -> None:
        """Asks for the end of a job. Nothing happens to one that has ended or never was.

        Raises:
            TransientError: the batch system has not answered in `CANCEL_TIMEOUT`.
        """
        with all_within(CANCEL_TIMEOUT):
            super().cancel(app_id)

    def _cancel_existing(self, app_id: str) -> None:
        site = self._jobs.site_of(app_id)
        with all_within(CANCEL_TIMEOUT) as left:
            place = self._jobs.place(app_id, site, None)
            runs = place is not None and not place.has_ended()
            cancel_within(left, self._jobs.system(site.host), app_id)
            if runs and place is not None:
                place.note_cancelled()
        self._watch(app_id, site).ending()

    def _delete_existing(self, app_id: str) -> None:
        """Cancels the job, removes its folder with the logs, and hides it: the batch system itself may remember it."""
        from torchx.schedulers.batch.dir_workspace import forget_copies

        site = self._jobs.site_of(app_id)
        entry = self._registry.job(app_id, site)
        # Of a job that was submitted elsewhere, the batch system's own record tells where its folder is.
        job = None if entry else self._query(site, [app_id]).get(app_id)
        place = self._jobs.place(app_id, site, job)
        self._cancel_existing(app_id)
        if place is not None:
            place.files.remove(place.folder)
            forget_copies(self._jobs.system(site.host).commands, place.record.get("folders", ()))
        elif entry is not None:  # its record is damaged
            self._jobs.files(site.host).remove(entry["folder"])
        elif job is not None and job.folder:
            import logging

            told = "the folder of job %s can't be seen from here, or is no job's of torchx: %s stays"
            logging.getLogger(__name__).warning(told, app_id, job.folder)
        self._registry.deleted(app_id, site)
        self._watches.forget((site, app_id))

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
        """One replica's log files.

        Without ``streams`` both files are read as one, lines in the order in which they are found. Where no replica of
        the job has ever begun, the first of them tells what the batch system wrote about that.

        Raises:
            UsageError: there is no such job or replica; or ``since`` or ``until`` is given: lines carry no times here.
            TorchXError: nothing can be found of the job's files.
        """
        if since is not None or until is not None:
            raise UsageError(
                f"logs of `{self.backend}` have no times, so since and until can't be obeyed",
                hint="leave them out, or have the program write times and select lines with a regular expression",
            )
        site = self._jobs.site_of(app_id)
        logs = self._logs.get((site, app_id))
        if logs is None:
            logs = self._logs[site, app_id] = self._job_logs(app_id, site)
        return logs.source(role_name, k, streams)

    def _job_logs(self, app_id: str, site: Site) -> JobLogs:
        from torchx.schedulers.batch.job_logs import JobLogs

        watch = self._watch(app_id, site)
        place = self._jobs.existing_place(app_id, site, watch.job)
        commands = self._jobs.system(site.host).commands
        return JobLogs(app_id, place, commands, lambda: settled(app_id, watch.job(), place))
