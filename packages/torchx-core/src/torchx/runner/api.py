"""The runner: one interface to every scheduler."""

from __future__ import annotations

import copy
from _thread import allocate_lock  # threading adds nothing that is needed here, and costs a millisecond at start

from torchx.errors import UsageError
from torchx.runner._checks import check_app
from torchx.runner._record_text import argument_secrets, as_json, images_of, noted, secrets_of
from torchx.runner._schedulers import SchedulerPool
from torchx.runner._stamp import lifecycle_hooks, stamp_environment, stamp_metadata, transform
from torchx.runner._status import to_status
from torchx.runner.events import log_event
from torchx.settings import ENV_TORCHX_JOB_ID, ENV_TORCHX_PARENT_RUN_ID, ENV_TORCHX_TRACKERS
from torchx.specs.api import (
    NONE,
    AppDef,
    AppDryRunInfo,
    AppStatus,
    Role,
    UnknownAppException,
    Workspace,
    make_app_handle,
    parse_app_handle,
    runopts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Any, Literal, Optional

    from typing_extensions import Self

    from torchx.runner._logs import Replica
    from torchx.schedulers import SchedulerFactory
    from torchx.schedulers.api import ListAppResponse, Scheduler, Stream
    from torchx.specs.api import CfgVal

    Cfg = Optional[Mapping[str, CfgVal]]

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
        self._apps: dict[str, AppDef] = {}
        self._told: set[tuple[str, str]] = set()
        self._lock = allocate_lock()

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
        with log_event("run_component", scheduler) as call, call.parts():
            info = self.dryrun_component(component, component_args, scheduler, cfg, workspace, parent_run_id)
            return self.schedule(info)

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
        from torchx.runner.config import tell_unknown_names
        from torchx.specs.builders import materialize_appdef
        from torchx.specs.finder import get_component

        with log_event("dryrun_component", scheduler) as call, call.parts():
            tell_unknown_names()
            call.hide(lambda: argument_secrets(component_args))
            given_as_dict = isinstance(component_args, dict)
            defaults = self._component_defaults.get(component)
            if defaults:
                call.hide(lambda: argument_secrets(defaults))
            try:
                app = materialize_appdef(
                    get_component(component).fn,
                    [] if given_as_dict else list(component_args),
                    defaults,
                    config=dict(component_args) if isinstance(component_args, dict) else None,
                )
            except UsageError as error:
                if not defaults:
                    raise
                from torchx.runner._config_errors import explain

                raise explain(error, component, defaults) from error.__cause__
            return self.dryrun(app, scheduler, cfg, workspace, parent_run_id)

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
        with log_event("run", scheduler) as call, call.parts():
            info = self.dryrun(app, scheduler, cfg, workspace, parent_run_id)
            return info if dryrun else self.schedule(info)

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
        with log_event("dryrun", scheduler) as call:
            check_app(app)
            call.note(app_image=images_of(app), app_metadata=dict(app.metadata))
            call.note(workspace=None if workspace is None else str(workspace))
            call.hide(lambda: secrets_of(app, cfg))
            sched = self._scheduler(scheduler)
            resolved = self._resolve(sched, scheduler, cfg)
            call.note(runcfg=lambda: as_json(resolved))
            call.hide(lambda: secrets_of(None, resolved))
            app = copy.deepcopy(app)
            stamp_environment(app, self._name, scheduler, parent_run_id, get_configured_trackers())
            stamp_metadata(app, scheduler)
            transform(app, scheduler, resolved, parent_run_id)
            sched._pre_build_validate(app, scheduler, resolved)
            from torchx.schedulers.api import build_workspaces, call_validate

            build_workspaces(sched, app, resolved, workspace)
            call_validate(sched, app, resolved)
            info = sched.submit_dryrun(app, resolved)
            info._app = app
            info._scheduler = scheduler
            return info

    def schedule(self, dryrun_info: AppDryRunInfo[Any]) -> str:
        """Submits a request. Submitting the same one again does not make a second job.

        Args:
            dryrun_info: from one of the dry run methods; its ``request`` may have been changed.

        Returns:
            The app handle.
        """
        scheduler, app, cfg = dryrun_info._scheduler, dryrun_info._app, dryrun_info._cfg
        with log_event("schedule", scheduler, app_image=images_of(app)) as call:
            call.note(app_metadata=None if app is None else app.metadata, runcfg=lambda: as_json(cfg))
            call.hide(lambda: secrets_of(app, cfg))
            if scheduler is None:
                raise UsageError("the dry run names no scheduler", hint="pass what Runner.dryrun() returned")
            app_id = self._scheduler(scheduler).schedule(dryrun_info)
            call.note(app_id=app_id)
            handle = make_app_handle(scheduler, self._name, app_id)
            if app is not None:
                with self._lock:
                    self._apps[handle] = app
            hooks = lifecycle_hooks()
            if hooks is not None and self._is_news("submitted", handle):
                from torchx.plugins.lifecycle import AppSubmitted

                hooks.torchx_app_submitted(event=AppSubmitted(app_handle=handle, scheduler=scheduler, app=app))
            return handle

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
        from torchx.schedulers.api import workspace_of

        with log_event("build_workspace", scheduler) as call:
            sched = self._scheduler(scheduler)
            builder = workspace_of(sched)
            resolved = self._resolve(sched, scheduler, cfg)
            call.note(runcfg=lambda: as_json(resolved))
            app = AppDef(app_or_role.name, [app_or_role]) if isinstance(app_or_role, Role) else app_or_role
            check_app(app)
            call.note(app_image=images_of(app))
            call.hide(lambda: secrets_of(app, resolved))
            built = copy.deepcopy(app)
            images: dict[tuple[str, Workspace], str] = {}
            if builder is not None:
                builder.build_workspaces(built.roles, resolved)
                builder.push_images(builder.dryrun_push_images(built, resolved))
                pairs = zip(app.roles, built.roles, strict=True)
                images = {(old.image, old.workspace): new.image for old, new in pairs if old.workspace}
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
            cfg.update(opts.cfg_from_str(literal))
        return cfg

    # -- submitted jobs --------------------------------------------------------------------------------------------

    def status(self, app_handle: str) -> AppStatus | None:
        """The job's status, or None where the scheduler does not know it (any more)."""
        with log_event("status") as call:
            scheduler, app_id = noted(call, app_handle)
            described = self._scheduler(scheduler).describe(app_id)
            return None if described is None else to_status(described)

    def statuses(self, app_handles: Iterable[str]) -> dict[str, AppStatus | None]:
        """The status of several jobs, with one request per scheduler where the scheduler can do that."""
        handles = [*app_handles]
        groups: dict[str, list[str]] = {}
        with log_event("statuses") as call:
            for handle in handles:
                scheduler, _, app_id = parse_app_handle(handle)
                groups.setdefault(scheduler, []).append(app_id)
            call.note(scheduler=",".join(groups))
            found = {name: self._scheduler(name).describe_many(ids) for name, ids in groups.items()}
        statuses: dict[str, AppStatus | None] = {}
        for handle in handles:
            scheduler, _, app_id = parse_app_handle(handle)
            described = found[scheduler].get(app_id)
            statuses[handle] = None if described is None else to_status(described)
        return statuses

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
        with log_event("wait") as call:
            scheduler, app_id = noted(call, app_handle)
            from torchx.runner._wait import wait_for_end

            status = wait_for_end(lambda: self._ask(scheduler, app_id), wait_interval, timeout)
            hooks = lifecycle_hooks() if status is not None else None
            if status is not None and hooks is not None and self._is_news("finished", app_handle):
                from torchx.plugins.lifecycle import AppFinished

                hooks.torchx_app_finished(event=AppFinished(app_handle=app_handle, scheduler=scheduler, status=status))
            return status

    def cancel(self, app_handle: str) -> None:
        """Asks the scheduler to cancel the job; ``wait`` tells when it has ended. A job that has ended stays as it is.

        Raises:
            UnknownAppException: the scheduler does not know the job.
        """
        with log_event("cancel") as call:
            _, app_id = noted(call, app_handle)
            self._existing(app_handle).cancel(app_id)

    def stop(self, app_handle: str) -> None:
        """Deprecated: ``cancel``."""
        import warnings

        warnings.warn("Runner.stop() is deprecated, use cancel()", DeprecationWarning, stacklevel=2)
        with log_event("stop") as call, call.parts():
            self.cancel(app_handle)

    def delete(self, app_handle: str) -> None:
        """Removes the job from the scheduler, cancelling it first if it runs.

        Raises:
            UnknownAppException: the scheduler does not know the job.
        """
        with log_event("delete") as call:
            _, app_id = noted(call, app_handle)
            self._existing(app_handle).delete(app_id)
            with self._lock:
                self._apps.pop(app_handle, None)

    def describe(self, app_handle: str) -> AppDef | None:
        """The job as it was described, as far as the scheduler kept it; None where the scheduler does not know it."""
        with log_event("describe") as call:
            scheduler, app_id = noted(call, app_handle)
            described = self._scheduler(scheduler).describe(app_id)
            if described is None:
                return None
            with self._lock:
                known = self._apps.get(app_handle)
            return known or AppDef(name=described.name or app_id, roles=described.roles, metadata=described.metadata)

    def describe_native(self, app_handle: str) -> AppDryRunInfo[Any] | None:
        """The scheduler's own record of the job; None where there is none or the scheduler does not offer it."""
        with log_event("describe_native") as call:
            scheduler, app_id = noted(call, app_handle)
            return self._scheduler(scheduler).describe_native(app_id)

    def list(self, scheduler: str, cfg: Cfg = None) -> builtins.list[ListAppResponse]:
        """The jobs that a scheduler knows, each with its handle."""
        with log_event("list", scheduler) as call, call.parts():
            return [*self.iter_list(scheduler, cfg)]

    def iter_list(self, scheduler: str, cfg: Cfg = None) -> Iterator[ListAppResponse]:
        """``list``, row by row: the first rows come before the last ones have been read."""
        with log_event("iter_list", scheduler) as call:
            sched = self._scheduler(scheduler)
            resolved = None if cfg is None else self._resolve(sched, scheduler, cfg, to_submit=False)
            if resolved is not None:
                call.note(runcfg=lambda: as_json(resolved))
                call.hide(lambda: secrets_of(None, resolved))
            for app in sched.iter_list(resolved):
                app.app_handle = make_app_handle(scheduler, self._name, app.app_id)
                yield app

    # -- logs ------------------------------------------------------------------------------------------------------

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
        with log_event("log_lines") as call:
            _, app_id = noted(call, app_handle)
            sched = self._existing(app_handle)
            return sched.log_iter(app_id, role_name, k, regex, since, until, should_tail, streams=streams)

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
        """
        from torchx.runner._logs import LogQuery, log_blocks

        with log_event("log_blocks") as call, call.parts():
            _, app_id = noted(call, app_handle)
            sched = self._existing(app_handle)
            if replicas is None:
                app = self.describe(app_handle)
                replicas = [(role.name, k) for role in app.roles for k in range(role.num_replicas)] if app else []
        yield from log_blocks(sched, app_id, replicas, LogQuery(regex, since, until, should_tail, streams))

    # -- parts -----------------------------------------------------------------------------------------------------

    def _scheduler(self, name: str) -> Scheduler[Any]:
        """The scheduler of that name; made once, however many threads ask."""
        return self._schedulers.get(name)

    def _existing(self, app_handle: str) -> Scheduler[Any]:
        """The scheduler of a job that it knows."""
        name, _, app_id = parse_app_handle(app_handle)
        scheduler = self._scheduler(name)
        if not scheduler.exists(app_id):
            raise UnknownAppException(app_handle)
        return scheduler

    def _is_news(self, what: str, app_handle: str) -> bool:
        """Whether observers have not been told this of the job yet."""
        with self._lock:
            known = len(self._told)
            self._told.add((what, app_handle))
            return len(self._told) > known

    def _ask(self, scheduler: str, app_id: str) -> AppStatus | None:
        described = self._scheduler(scheduler).describe(app_id)
        return None if described is None else to_status(described)

    def _resolve(self, sched: Scheduler[Any], scheduler: str, cfg: Cfg, *, to_submit: bool = True) -> dict[str, CfgVal]:
        """The options: given ones, then those of the configuration files, then the defaults.

        What a submission must be given, a question about jobs need not.
        """
        from torchx.runner.config import apply_options, tell_unknown_names

        tell_unknown_names()
        opts = sched.run_opts()
        if not to_submit:
            opts = _all_optional(opts)
        resolved: dict[str, CfgVal] = {}
        for key, value in (cfg or {}).items():
            resolved[opts.canonical_key(key) or key] = value
        apply_options(scheduler, opts, resolved)
        return opts.resolve(resolved)


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


def _all_optional(opts: runopts) -> runopts:
    relaxed = runopts()
    for name, opt in opts:
        relaxed.add(name, opt.opt_type, opt.help, opt.default)
    return relaxed
