"""The runner: one interface to every scheduler."""

from __future__ import annotations

from torchx.errors import TorchXError, UsageError
from torchx.runner._memory import Memory
from torchx.runner._queries import describe_many, known_replicas, rows
from torchx.runner._record_text import noted
from torchx.runner._schedulers import SchedulerPool
from torchx.runner._stamp import tell_finished, tell_submitted, with_job_id
from torchx.runner._status import status_of
from torchx.runner._submit import build_images, make_app, make_request, note_request
from torchx.runner.events.recorder import note, recorded
from torchx.settings import ENV_TORCHX_JOB_ID, ENV_TORCHX_PARENT_RUN_ID, ENV_TORCHX_TRACKERS
from torchx.specs.api import (
    NONE,
    AppDef,
    AppDryRunInfo,
    AppState,
    AppStatus,
    Role,
    UnknownAppException,
    Workspace,
    make_app_handle,
    runopts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Any, Literal

    from typing_extensions import Self

    from torchx.runner._logs import Replica
    from torchx.runner._options import Cfg
    from torchx.schedulers import SchedulerFactory
    from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler, Stream
    from torchx.specs.api import CfgVal

__all__ = [
    "ENV_TORCHX_JOB_ID",
    "ENV_TORCHX_PARENT_RUN_ID",
    "ENV_TORCHX_TRACKERS",
    "NONE",
    "Runner",
    "get_configured_trackers",
    "get_runner",
]

DEFAULT_SESSION = "torchx"


def get_configured_trackers() -> dict[str, str | None]:
    """The trackers that the configuration gives to every job: name to configuration, None where there is none."""
    from torchx.runner.config import configured_trackers

    return configured_trackers()


class Runner:
    """Submits jobs, and answers questions about them by their handle.

    May be used by several threads at once, and as a context manager that closes it.

    Args:
        name: the session's name, the middle part of the app handles.
        scheduler_factories: scheduler name to its factory; each is called at the first use of its scheduler.
        component_defaults: component name to default values of its arguments, as strings.
        scheduler_params: passed to the factories that take them.
    """

    def __init__(
        self,
        name: str = "",
        scheduler_factories: dict[str, SchedulerFactory] | None = None,
        component_defaults: dict[str, dict[str, str]] | None = None,
        scheduler_params: dict[str, object] | None = None,
    ) -> None:
        self._name = name
        self._component_defaults = component_defaults or {}
        self._schedulers = SchedulerPool(name, scheduler_factories or {}, scheduler_params or {})
        self._memory = Memory()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        self.close()
        return False

    def close(self) -> None:
        """Releases what the schedulers hold on this machine. Jobs are not touched. May be called twice."""
        self._schedulers.close()

    def name(self) -> str:
        """The session's name."""
        return self._name

    # -- submission ------------------------------------------------------------------------------------------------

    def prepare(self, scheduler: str) -> None:
        """Tells a scheduler that a submission is about to follow, which it may use to be quicker then."""
        self._scheduler(scheduler).prepare()

    @recorded("run_component")
    def run_component(
        self,
        component: str,
        component_args: list[str] | dict[str, Any],
        scheduler: str,
        cfg: Cfg = None,
        workspace: Workspace | str | None = None,
        parent_run_id: str | None = None,
    ) -> str:
        """Makes a component's app and submits it.

        Args:
            component: a registered name (``dist.ddp``), ``file.py:function``, ``package.module:function`` or
                ``package.module.function``.
            component_args: as on the command line, or as a dict of keyword arguments.
            scheduler: the scheduler's name.
            cfg: the scheduler's options; they win over those of the configuration files.
            workspace: local code to carry along.
            parent_run_id: the run that this one belongs to.

        Returns:
            The app handle.

        Raises:
            ComponentNotFoundException: there is no such component.
            ComponentValidationException: it is not a valid one.
            UsageError: an argument or option is wrong.
        """
        return self.schedule(self.dryrun_component(component, component_args, scheduler, cfg, workspace, parent_run_id))

    @recorded("dryrun_component")
    def dryrun_component(
        self,
        component: str,
        component_args: list[str] | dict[str, Any],
        scheduler: str,
        cfg: Cfg = None,
        workspace: Workspace | str | None = None,
        parent_run_id: str | None = None,
    ) -> AppDryRunInfo[Any]:
        """Like ``run_component``, but submits nothing.

        Returns:
            The request, to be printed or passed to ``schedule``.
        """
        note(scheduler=scheduler)
        app = make_app(component, component_args, self._component_defaults)
        return self.dryrun(app, scheduler, cfg, workspace, parent_run_id)

    @recorded("run")
    def run(
        self,
        app: AppDef,
        scheduler: str,
        cfg: Cfg = None,
        workspace: Workspace | str | None = None,
        parent_run_id: str | None = None,
        *,
        dryrun: bool = False,
    ) -> str | AppDryRunInfo[Any]:
        """Submits a job.

        Args:
            app: the job; it is not changed.
            scheduler, cfg, workspace, parent_run_id: as for ``run_component``.
            dryrun: submit nothing and return the request.

        Returns:
            The app handle; with ``dryrun`` the request.
        """
        info = self.dryrun(app, scheduler, cfg, workspace, parent_run_id)
        return info if dryrun else self.schedule(info)

    @recorded("dryrun")
    def dryrun(
        self,
        app: AppDef,
        scheduler: str,
        cfg: Cfg = None,
        workspace: Workspace | str | None = None,
        parent_run_id: str | None = None,
    ) -> AppDryRunInfo[Any]:
        """Makes the request that ``run`` would submit, the workspace's image included.

        Returns:
            The request, to be printed or passed to ``schedule``.
        """
        return make_request(self._schedulers, scheduler, self._name, app, cfg, workspace, parent_run_id)

    @recorded("schedule")
    def schedule(self, dryrun_info: AppDryRunInfo[Any]) -> str:
        """Submits a request. Submitting the same one again does not make a second job.

        Args:
            dryrun_info: from one of the dry run methods; its ``request`` may have been changed.

        Returns:
            The app handle.
        """
        scheduler, app = note_request(dryrun_info), dryrun_info._app
        app_id = self._scheduler(scheduler).schedule(dryrun_info)
        note(app_id=app_id)
        handle = make_app_handle(scheduler, self._name, app_id)
        if app is not None:
            self._memory.keep(handle, app)
        tell_submitted(handle, scheduler, app, self._memory)
        return handle

    @recorded("build_workspace")
    def build_workspace(
        self, app_or_role: AppDef | Role, scheduler: str, cfg: Cfg = None
    ) -> dict[tuple[str, Workspace], str] | str | None:
        """Builds workspaces into images without submitting anything, and pushes what the scheduler needs pushed.

        Args:
            app_or_role: what is built; it is not changed.
            scheduler, cfg: as for ``run_component``.

        Returns:
            For an app: (base image, workspace) to the built image, as ``pin_workspace_images`` takes it. For a role:
            its image, or None where it has no workspace.
        """
        images = build_images(self._schedulers, scheduler, app_or_role, cfg)
        return images if isinstance(app_or_role, AppDef) else next(iter(images.values()), None)

    # -- schedulers ------------------------------------------------------------------------------------------------

    def scheduler_backends(self) -> list[str]:
        """The names of the schedulers that can be used."""
        return self._schedulers.names()

    def scheduler_run_opts(self, scheduler: str) -> runopts:
        """The options of a scheduler."""
        return self._scheduler(scheduler).run_opts()

    def cfg_from_str(self, scheduler: str, *cfg_literal: str) -> Mapping[str, CfgVal]:
        """Parses ``key=value,key=value`` texts with the types of a scheduler's options; a later text wins."""
        opts = self.scheduler_run_opts(scheduler)
        cfg: dict[str, CfgVal] = {}
        for literal in cfg_literal:
            given = opts.cfg_from_str(literal)
            if literal.strip() and not given:
                raise UsageError(f"`{literal}` sets no option", hint="expected key=value,key=value")
            cfg.update(given)
        return cfg

    # -- submitted jobs --------------------------------------------------------------------------------------------

    @recorded("status")
    def status(self, app_handle: str) -> AppStatus | None:
        """The job's status, or None where the scheduler does not know it (any more)."""
        scheduler, app_id = noted(app_handle)
        return status_of(self._scheduler(scheduler).describe(app_id))

    @recorded("poll")
    def poll(self, app_handle: str) -> AppStatus | None:
        """``status`` for who asks again and again: schedulers that must not be asked often answer from what they have
        been told some seconds ago.
        """
        scheduler, app_id = noted(app_handle)
        return status_of(self._scheduler(scheduler).poll(app_id))

    @recorded("describe_many")
    def describe_many(self, app_handles: Iterable[str]) -> dict[str, DescribeAppResponse | None]:
        """What the schedulers know of several jobs, with one request per scheduler where the scheduler can do that.

        Args:
            app_handles: the jobs, of any schedulers.

        Returns:
            For each handle the scheduler's answer; None where it does not know the job (any more).
        """
        return describe_many(self._schedulers, app_handles)

    @recorded("statuses")
    def statuses(self, app_handles: Iterable[str]) -> dict[str, AppStatus | None]:
        """The status of several jobs, with one request per scheduler where the scheduler can do that."""
        return {handle: status_of(found) for handle, found in self.describe_many(app_handles).items()}

    @recorded("wait")
    def wait(self, app_handle: str, wait_interval: float = 10, timeout: float | None = None) -> AppStatus | None:
        """Waits for the job's end. Errors that may pass by themselves (connection lost, time-out) do not end the wait.

        Args:
            app_handle: the job.
            wait_interval: the longest pause between two looks, in seconds; the first ones are short.
            timeout: give up after so many seconds; None: never.

        Returns:
            The final status, or None where the scheduler no longer knows the job.

        Raises:
            TimeoutError: the job has not ended in time.
        """
        from torchx.runner._wait import wait_for_end

        scheduler, app_id = noted(app_handle)
        sched = self._scheduler(scheduler)
        status = wait_for_end(lambda: status_of(sched.poll(app_id)), wait_interval, timeout)
        if status is not None:
            tell_finished(app_handle, scheduler, status, self._memory)
        return status

    @recorded("cancel")
    def cancel(self, app_handle: str) -> None:
        """Asks the scheduler to cancel the job; ``wait`` tells when it has ended. A job that has ended stays as it is.

        Raises:
            UnknownAppException: the scheduler does not know the job.
        """
        sched, app_id = self._existing(app_handle)
        sched.cancel(app_id)

    @recorded("stop")
    def stop(self, app_handle: str) -> None:
        """Deprecated: ``cancel``."""
        import warnings

        warnings.warn("Runner.stop() is deprecated, use cancel()", DeprecationWarning, stacklevel=3)
        self.cancel(app_handle)

    @recorded("delete")
    def delete(self, app_handle: str) -> None:
        """Removes the job from the scheduler, cancelling it first if it runs.

        Raises:
            UnknownAppException: the scheduler does not know the job.
        """
        sched, app_id = self._existing(app_handle)
        sched.delete(app_id)
        self._memory.forget(app_handle)

    @recorded("describe")
    def describe(self, app_handle: str) -> AppDef | None:
        """The job as it was described, as far as the scheduler kept it; None where the scheduler does not know it.

        Raises:
            TorchXError: the scheduler can't be asked now, and this runner has not submitted the job.
        """
        scheduler, app_id = noted(app_handle)
        found = self._scheduler(scheduler).describe(app_id)
        if found is None:
            return None
        app = self._memory.app(app_handle)
        if app is None and found.state == AppState.UNKNOWN and not (found.roles or found.roles_statuses):
            raise TorchXError(f"`{app_handle}` can't be described: {found.msg or 'its scheduler does not answer'}")
        return with_job_id(app or AppDef(found.name or app_id, found.roles, found.metadata), app_id)

    @recorded("describe_native")
    def describe_native(self, app_handle: str) -> AppDryRunInfo[Any] | None:
        """The scheduler's own record of the job; None where there is none or the scheduler does not offer it."""
        scheduler, app_id = noted(app_handle)
        return self._scheduler(scheduler).describe_native(app_id)

    @recorded("list")
    def list(self, scheduler: str, cfg: Cfg = None) -> builtins.list[ListAppResponse]:
        """The jobs that a scheduler knows, each with its handle."""
        return [*self.iter_list(scheduler, cfg)]

    @recorded("iter_list", rows=True)
    def iter_list(self, scheduler: str, cfg: Cfg = None) -> Iterator[ListAppResponse]:
        """``list``, row by row: the first rows come before the last ones have been read."""
        return rows(self._schedulers, scheduler, self._name, cfg)

    # -- logs ------------------------------------------------------------------------------------------------------

    @recorded("log_lines")
    def log_lines(
        self,
        app_handle: str,
        role_name: str,
        k: int = 0,
        regex: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        should_tail: bool = False,
        streams: Stream | None = None,
    ) -> Iterable[str]:
        """The log lines of one replica, each whole, once, in order and with its line end.

        Args:
            app_handle: the job.
            role_name: the role.
            k: the replica's index in its role.
            regex: only lines in which it is found.
            since: only lines written at this time or later.
            until: only lines written before this time.
            should_tail: go on until the replica has ended.
            streams: which output; the combined one by default.

        Raises:
            UnknownAppException: the scheduler does not know the job.
            NotImplementedError: the scheduler can't serve logs.
        """
        sched, app_id = self._existing(app_handle)
        return sched.log_iter(app_id, role_name, k, regex, since, until, should_tail, streams=streams)

    @recorded("log_blocks")
    def log_blocks(
        self,
        app_handle: str,
        replicas: Sequence[Replica] | None = None,
        regex: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        should_tail: bool = False,
        streams: Stream | None = None,
    ) -> Iterator[tuple[Replica, bytes]]:
        """The log lines of several replicas at once, as they come, in blocks of whole lines.

        Args:
            app_handle: the job.
            replicas: (role name, replica index); None: all of the job.
            regex, since, until, should_tail, streams: as for ``log_lines``.

        Yields:
            The replica, and lines of it as bytes.

        Raises:
            UnknownAppException: the scheduler does not know the job.
            TorchXError: all replicas are wanted, and nobody knows which there are.
        """
        from torchx.runner._logs import LogQuery, log_blocks

        name, app_id = noted(app_handle)
        sched = self._scheduler(name)
        if replicas is not None:
            self._existing(app_handle)
        else:
            found = sched.poll(app_id)
            if found is None:
                raise UnknownAppException(app_handle)
            replicas = known_replicas(app_handle, found, self._memory.app(app_handle))
        return log_blocks(sched, app_id, replicas, LogQuery(regex, since, until, should_tail, streams))

    # -- parts -----------------------------------------------------------------------------------------------------

    def _scheduler(self, name: str) -> Scheduler[Any]:
        """The scheduler of that name; made once, however many threads ask."""
        return self._schedulers.get(name)

    def _existing(self, app_handle: str) -> tuple[Scheduler[Any], str]:
        """The scheduler of a job that it knows, and the job's id there."""
        name, app_id = noted(app_handle)
        scheduler = self._scheduler(name)
        if not scheduler.exists(app_id):
            raise UnknownAppException(app_handle)
        return scheduler, app_id


def get_runner(
    name: str | None = None,
    component_defaults: dict[str, dict[str, str]] | None = None,
    **scheduler_params: Any,
) -> Runner:
    """Makes a runner with all the schedulers that are installed.

    Args:
        name: the session's name, ``torchx`` by default.
        component_defaults: defaults of components' arguments; they win over those of the configuration files.
        scheduler_params: passed to the schedulers' factories that take them.
    """
    from torchx.runner.config import load_sections
    from torchx.schedulers import get_scheduler_factories

    if name is not None and "/" in name:
        raise UsageError(f"session name {name!r} holds a slash, which separates the parts of an app handle")
    defaults = load_sections("component")
    for component, values in (component_defaults or {}).items():
        defaults[component] = {**defaults.get(component, {}), **values}
    return Runner(DEFAULT_SESSION if name is None else name, get_scheduler_factories(), defaults, scheduler_params)
