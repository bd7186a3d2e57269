"""The interface between the runner and a backend.

A scheduler turns an ``AppDef`` into the backend's own request, submits it, and answers questions about the job. The
page "write a scheduler plugin" of the documentation walks through an implementation.
"""

from __future__ import annotations

import abc
import os
import sys
from collections.abc import Mapping
from enum import Enum

from torchx.errors import UsageError
from torchx.schedulers.structured_opts import StructuredOpts
from torchx.specs.api import NONE, NULL_RESOURCE, AppState
from torchx.util.light_dataclass import dataclass, field
from torchx.util.light_generic import Generic, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from dataclasses import MISSING as MISSING
    from datetime import datetime
    from typing import Any, List, Optional

    from torchx.schedulers.lines import filter_regex, split_lines, split_lines_iterator
    from torchx.schedulers.logs import LogSource
    from torchx.specs.api import AppDef, AppDryRunInfo, CfgVal, Role, RoleStatus, Workspace, runopts
    from torchx.workspace.api import WorkspaceMixin

__all__ = [
    "DAYS_IN_2_WEEKS",
    "MISSING",
    "NONE",
    "DescribeAppResponse",
    "ListAppResponse",
    "Scheduler",
    "Stream",
    "StructuredOpts",
    "filter_regex",
    "split_lines",
    "split_lines_iterator",
]

DAYS_IN_2_WEEKS = 14

T = TypeVar("T")


def __getattr__(name: str) -> object:
    if name == "MISSING":
        import dataclasses

        return dataclasses.MISSING
    if name in ("filter_regex", "split_lines", "split_lines_iterator"):
        from torchx.schedulers import lines

        return getattr(lines, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Stream(str, Enum):
    """Which of a replica's outputs to read."""

    STDOUT = "stdout"
    STDERR = "stderr"
    COMBINED = "combined"


@dataclass
class DescribeAppResponse:
    """What a scheduler knows about one job: its state and, as far as the backend keeps them, its name and roles."""

    app_id: str = "<NOT_SET>"
    state: AppState = AppState.UNSUBMITTED
    num_restarts: int = -1
    msg: str = NONE
    structured_error_msg: str = NONE
    ui_url: Optional[str] = None
    metadata: dict[str, str] = field(default_factory=dict)
    roles_statuses: List[RoleStatus] = field(default_factory=list)
    roles: List[Role] = field(default_factory=list)
    name: str = ""

    def __repr__(self) -> str:
        """As of any dataclass, with the secrets hidden."""
        from torchx.util.masked_repr import masked_repr

        return masked_repr(self, data=("msg", "structured_error_msg", "metadata"))


@dataclass
class ListAppResponse:
    """One row of a job listing. The runner fills in ``app_handle``.

    ``submitted`` is when the job was submitted, in seconds since the epoch; None where that is not known.
    """

    app_id: str
    state: AppState
    app_handle: str = "<NOT_SET>"
    name: str = ""
    submitted: Optional[float] = None


class Scheduler(abc.ABC, Generic[T]):
    """A backend that runs jobs.

    Args:
        backend: the name that app handles begin with, such as ``kubernetes``.
        session_name: the name of the runner's session, the second part of an app handle.

    ``T`` is the type of the config, usually ``Mapping[str, CfgVal]``.
    """

    uses_workspaces = False
    """Whether the scheduler, though it builds no workspace into an image, looks at ``role.workspace`` itself."""

    def __init__(self, backend: str, session_name: str) -> None:
        # Cooperative: workspace mixins stand before or behind Scheduler in the bases.
        super().__init__()
        self.backend = backend
        self.session_name = session_name

    def close(self) -> None:
        """Releases what the scheduler holds on this machine. Jobs are not touched. May be called twice."""

    # -- submission ------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Called when a submission is about to follow: what it will need can be begun. Does nothing by default."""

    def submit(self, app: AppDef, cfg: T, workspace: str | Workspace | None = None) -> str:
        """Builds the workspace, translates the app and submits it.

        Args:
            app: the job; it is not changed.
            cfg: resolved options.
            workspace: local code to carry along, for every role that names none of its own.

        Returns:
            The backend's id of the job.
        """
        import copy

        app = copy.deepcopy(app)
        resolved: Any = self.run_opts().resolve(cfg) if isinstance(cfg, Mapping) else cfg
        self._pre_build_validate(app, self.backend, resolved)
        build_workspaces(self, app, resolved, workspace)
        call_validate(self, app, resolved)
        return self.schedule(self.submit_dryrun(app, resolved))

    @abc.abstractmethod
    def schedule(self, dryrun_info: AppDryRunInfo[Any]) -> str:
        """Submits what ``submit_dryrun`` returned.

        Calling it again with the same ``dryrun_info`` must not make a second job.

        Returns:
            The id of the job, unique within the backend.
        """

    def submit_dryrun(self, app: AppDef, cfg: T) -> AppDryRunInfo[Any]:
        """Translates an app into the backend's request, without sending it.

        Args:
            app: the job.
            cfg: options; defaults are filled in.

        Raises:
            InvalidRunConfigException: an option is unknown, missing or of the wrong type.
        """
        resolved: Any = self.run_opts().resolve(cfg) if isinstance(cfg, Mapping) else cfg
        info = self._submit_dryrun(app, resolved)
        for role in app.roles:
            info = role.pre_proc(self.backend, info)
        info._app = app
        info._cfg = resolved
        info._scheduler = self.backend
        return info

    @abc.abstractmethod
    def _submit_dryrun(self, app: AppDef, cfg: T) -> AppDryRunInfo[Any]:
        """Translates an app and its resolved options into the backend's request. Contacts nothing."""

    def run_opts(self) -> runopts:
        """All options of this scheduler, those of its workspace builder included."""
        opts = self._run_opts()
        builder = workspace_of(self)
        if builder is not None:
            opts.update(builder.workspace_opts())
        return opts

    def _run_opts(self) -> runopts:
        """The scheduler's own options; none by default."""
        from torchx.specs.api import runopts

        return runopts()

    def _pre_build_validate(self, app: AppDef, scheduler: str, cfg: T) -> None:
        """Refuses what can't run before a workspace is built. Accepts everything by default."""

    def _validate(self, app: AppDef, scheduler: str, cfg: T) -> None:
        """Refuses what can't run, after the workspace was built.

        Raises:
            UsageError: a role has no resource.
        """
        for role in app.roles:
            if role.resource == NULL_RESOURCE:
                raise UsageError(
                    f"role `{role.name}` has no resource, which `{scheduler}` needs",
                    hint='set it with resource=resource(h="cpu.small") or Resource(cpu=..., gpu=..., memMB=...)',
                )

    # -- a submitted job -------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def describe(self, app_id: str) -> Optional[DescribeAppResponse]:
        """What is known about a job.

        Returns:
            None where the backend no longer knows the job. State ``UNKNOWN`` where it can't be asked.
        """

    def describe_many(self, app_ids: Iterable[str]) -> dict[str, Optional[DescribeAppResponse]]:
        """``describe`` of several jobs. A backend that can answer in one call overrides this."""
        return {app_id: self.describe(app_id) for app_id in app_ids}

    def poll(self, app_id: str) -> Optional[DescribeAppResponse]:
        """``describe`` for who asks again and again, such as ``Runner.wait``: the answer may be some seconds old.

        A backend that must not be asked often overrides this.
        """
        return self.describe(app_id)

    def describe_native(self, app_id: str) -> Optional[AppDryRunInfo[Any]]:
        """The backend's own record of a job, or None where it has none or doesn't offer it."""
        return None

    @abc.abstractmethod
    def list(self, cfg: Mapping[str, CfgVal] | None = None) -> List[ListAppResponse]:
        """The jobs that this scheduler sees. ``cfg`` may be None."""

    def iter_list(self, cfg: Mapping[str, CfgVal] | None = None) -> Iterator[ListAppResponse]:
        """``list``, row by row. A backend that can begin before it has read everything overrides this."""
        yield from self.list(cfg)

    def exists(self, app_id: str) -> bool:
        """Whether the backend knows the job."""
        return self.describe(app_id) is not None

    @abc.abstractmethod
    def _cancel_existing(self, app_id: str) -> None:
        """Asks the backend to cancel a job that exists."""

    def cancel(self, app_id: str) -> None:
        """Asks the backend to cancel a job. Nothing happens where it doesn't exist."""
        if self.exists(app_id):
            self._cancel_existing(app_id)

    def delete(self, app_id: str) -> None:
        """Removes a job from the backend, cancelling it first if it runs. Nothing happens where it doesn't exist."""
        if self.exists(app_id):
            self._delete_existing(app_id)

    def _delete_existing(self, app_id: str) -> None:
        """Removes a job that exists. Cancels it by default: most backends forget a cancelled job by themselves."""
        self._cancel_existing(app_id)

    # -- logs ------------------------------------------------------------------------------------------------------

    def log_iter(
        self,
        app_id: str,
        role_name: str,
        k: int = 0,
        regex: Optional[str] = None,
        since: Optional[datetime] = None,
        until: Optional[datetime] = None,
        should_tail: bool = False,
        streams: Optional[Stream] = None,
    ) -> Iterable[str]:
        """The log lines of one replica, each whole and with its line end.

        Args:
            app_id: the job.
            role_name: the role.
            k: the replica's index in its role.
            regex: only lines in which it is found.
            since: only lines written at this time or later.
            until: only lines written before this time.
            should_tail: go on until the replica has ended and all its lines have been read.
            streams: which output, the combined one by default.

        Raises:
            NotImplementedError: the backend can't serve logs.
        """
        if type(self).log_source is Scheduler.log_source:
            raise NotImplementedError(f"{type(self).__qualname__} has no logs")
        from torchx.schedulers.logs import iter_lines

        source = self.log_source(app_id, role_name, k, since=since, until=until, streams=streams)
        return iter_lines(source, regex=regex, should_tail=should_tail, wait=self.log_waiter(app_id))

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
        """One replica's output as a source of bytes for the log engine (``torchx.schedulers.logs``).

        A backend gives this and gets ``log_iter``, and all replicas of a job followed in one loop, for nothing.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no log sources")

    def log_waiter(self, app_id: str) -> Callable[[float], object]:
        """How to wait (at most the given seconds) for news of a job. A backend that is told of news overrides this."""
        import time

        return time.sleep


def workspace_of(scheduler: Scheduler[Any]) -> WorkspaceMixin[Any] | None:
    """The scheduler as a builder of workspaces; None where it builds none."""
    # A class that has the mixin among its bases has imported its module.
    api = sys.modules.get("torchx.workspace.api")
    return scheduler if api is not None and isinstance(scheduler, api.WorkspaceMixin) else None


def build_workspaces(
    scheduler: Scheduler[Any], app: AppDef, cfg: Mapping[str, CfgVal], workspace: Workspace | str | None
) -> None:
    """Builds the roles' workspaces into their images, where the scheduler does that; else says that they stay behind.

    Args:
        scheduler: the job's scheduler.
        app: changed in place.
        cfg: resolved options.
        workspace: for every role that names none of its own.
    """
    builder = workspace_of(scheduler)
    if builder is None and not scheduler.uses_workspaces:
        _warn_of_what_stays_behind(scheduler, [workspace, *(role.workspace for role in app.roles)])
        return
    if workspace:
        from torchx.specs.api import Workspace

        shared = Workspace.from_str(workspace) if isinstance(workspace, str) else workspace
        for role in app.roles:
            role.workspace = role.workspace or shared
    if builder is not None:
        builder.build_workspaces(app.roles, cfg)


def _warn_of_what_stays_behind(scheduler: Scheduler[Any], workspaces: Iterable[Workspace | str | None]) -> None:
    # The current folder is what the command line gives to every scheduler: nobody has asked for it.
    left = {str(workspace) for workspace in workspaces if workspace} - {"."}
    if left and left != {os.getcwd()}:
        import logging

        logging.getLogger(__name__).warning(
            "the scheduler `%s` takes no workspaces: %s stays on this machine",
            scheduler.backend,
            ", ".join(f"`{workspace}`" for workspace in sorted(left)),
        )


def call_validate(scheduler: Scheduler[Any], app: AppDef, cfg: Any) -> None:
    """Calls ``_validate``, also of classes written for earlier releases, where it takes no ``cfg``."""
    validate: Callable[..., None] = scheduler._validate
    if type(scheduler)._validate.__code__.co_argcount == 4:
        validate(app, scheduler.backend, cfg)
        return
    import inspect

    parameters = inspect.signature(validate).parameters.values()
    accepts = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    if accepts >= 3 or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        validate(app, scheduler.backend, cfg)
    else:
        validate(app, scheduler.backend)
