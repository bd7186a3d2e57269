"""Runs jobs as processes of this machine.

Jobs belong to the machine: any process can see, follow, cancel and delete a job, whoever submitted it and whether that
process still lives. ``local_cwd`` takes the workspace, by default the current folder, for every image.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from weakref import WeakValueDictionary

from torchx.errors import TorchXError, UsageError, nearest
from torchx.schedulers._local.files import COMBINED_LOG, STDERR_LOG, STDOUT_LOG, TERMINAL
from torchx.schedulers._local.images import CWDImageProvider, ImageProvider, LocalDirectoryImageProvider
from torchx.schedulers._local.opts import Opts
from torchx.schedulers._local.request import (
    PopenRequest,
    ReplicaParam,
    build_request,
    render,
    to_record,
)
from torchx.schedulers._local.store import AppExistsError, Store, hostname
from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler, Stream
from torchx.schedulers.ids import make_unique
from torchx.schedulers.role_records import role_from_record
from torchx.specs.api import NONE, AppDef, AppDryRunInfo, AppState, CfgVal, runopts
from torchx.util.private_files import make_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import IO, Any, List, Optional

    from torchx.schedulers._local.launch import Launch
    from torchx.schedulers._local.logfile import LogIterator
    from torchx.schedulers._local.logsource import AppWatch
    from torchx.schedulers.logs import LogSource

__all__ = [
    "COMBINED_LOG",
    "STDERR_LOG",
    "STDOUT_LOG",
    "AppId",
    "CWDImageProvider",
    "ImageProvider",
    "LocalDirectoryImageProvider",
    "LocalOpts",
    "LocalScheduler",
    "LogIterator",
    "Opts",
    "PopenRequest",
    "ReplicaParam",
    "create_scheduler",
]

AppId = str
LocalOpts = Opts

MAX_NAME_IN_ID = 100
"""How much of a job's name goes into its id."""

DELETE_TIMEOUT = 15.0
"""Seconds that ``delete`` waits for a cancelled job's end."""


class LocalScheduler(Scheduler[Mapping[str, CfgVal]]):
    """Jobs as processes of this machine.

    Args:
        session_name: name of the runner's session.
        image_provider_class: makes the object that finds the roles' images, from the options.
        backend: the name that app handles begin with.
        root: the folder of all jobs' records; by default ``$TORCHX_HOME/local``.
    """

    def __init__(
        self,
        session_name: str,
        image_provider_class: Callable[..., ImageProvider] = CWDImageProvider,
        backend: str = "local_cwd",
        root: str | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(backend, session_name)
        self._image_provider_class = image_provider_class
        self.uses_workspaces = bool(getattr(image_provider_class, "uses_workspace", False))
        self._store = Store(root)
        self._prepared: list[Launch] = []  # at most one; a list gives it to one thread only
        self._watches: WeakValueDictionary[str, AppWatch] = WeakValueDictionary()
        self._newest: AppWatch | None = None  # of the last job submitted here, which is likely to be followed

    def _run_opts(self) -> runopts:
        return Opts.as_runopts()

    def _validate(self, app: AppDef, scheduler: str, cfg: Mapping[str, CfgVal]) -> None:
        """Accepts roles without a resource: processes of this machine share it."""

    # -- submission ------------------------------------------------------------------------------------------------

    def _submit_dryrun(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> AppDryRunInfo[PopenRequest]:
        app_id = _new_app_id(app.name)
        images = self._image_provider_class()
        request = build_request(app, cfg, app_id=app_id, app_folder=self._store.folder(app_id), images=images)
        return AppDryRunInfo(request, render)

    def schedule(self, dryrun_info: AppDryRunInfo[PopenRequest]) -> str:
        """Starts the job and returns when all replicas have been started.

        Raises:
            TorchXError: a program or script does not exist, a folder can't be written, a replica can't be started.
                Nothing of the job is left then.
        """
        from torchx.schedulers._local.launch import Launch

        request = dryrun_info.request
        held = self._hold_workspaces(request)
        launch = self._take_launch() or Launch()
        try:
            record = self._record(request)
            record["guardian"] = launch.identity()
            folder = self._create(request, record)
            if folder is not None:
                self._start(launch, folder, request, record)
                self._remember(record)
        finally:
            launch.close()
            if held is not None:
                held.close()
        return request.app_id

    def prepare(self) -> None:
        """Starts the interpreter of the next job's supervisor, while that job is still being described."""
        from torchx.schedulers._local.launch import Launch

        self.close()
        self._prepared.append(Launch())

    def close(self) -> None:
        launch = self._take_launch()
        if launch is not None:
            launch.close()

    def _hold_workspaces(self, request: PopenRequest) -> IO[bytes] | None:
        # Looked at as text first: most jobs run in a folder of the user's, and the rest costs an import.
        if not any("/local_workspaces/" in str(params[0].cwd) for params in request.role_params.values()):
            return None
        from torchx.schedulers._local.put_together import hold

        return hold(request, self._image_provider_class().fetch_role)

    def _remember(self, record: dict[str, Any]) -> None:
        """Keeps a job's request: whoever has submitted it looks at it next."""
        from torchx.schedulers._local.logsource import AppWatch

        app_id = record["app_id"]
        self._newest = self._watches[app_id] = AppWatch(self._store, app_id, record)

    def _take_launch(self) -> Launch | None:
        try:
            return self._prepared.pop()
        except IndexError:
            return None

    def _record(self, request: PopenRequest) -> dict[str, Any]:
        from torchx.schedulers._local import proctree
        from torchx.schedulers._local.preflight import programs_of

        programs = {role.name: programs_of(role.name, request.role_params[role.name]) for role in request.app.roles}
        record = to_record(request, session=self.session_name, programs=programs)
        record["host"] = hostname()
        record["submitter"] = proctree.identity(os.getpid())
        record["submitted"] = time.time()
        return record

    def _create(self, request: PopenRequest, record: dict[str, Any]) -> str | None:
        """Makes the job's folder; None where this very request has been submitted before."""
        try:
            return self._store.create(record)
        except AppExistsError:
            existing = self._store.request(request.app_id)
            if existing is None or existing["token"] != request.token:
                raise
            return None

    def _start(self, launch: Launch, folder: str, request: PopenRequest, record: dict[str, Any]) -> None:
        try:
            _make_log_folder(request.log_dir)
            launch.start(folder, record, meanwhile=_load_what_follows)
        except BaseException:
            if launch.at_work:  # interrupted: the replicas may be starting just now
                self._store.cancel(request.app_id)
            else:
                self._store.remove(request.app_id)
            raise

    # -- a submitted job -------------------------------------------------------------------------------------------

    def describe(self, app_id: str) -> Optional[DescribeAppResponse]:
        from torchx.schedulers._local.status import role_statuses

        state = self._store.state(app_id)
        request = self._watch(app_id).request()
        if state is None or request is None:
            return None
        statuses = role_statuses(request, state)
        errors = [r.structured_error_msg for role in statuses for r in role.replicas if r.structured_error_msg != NONE]
        return DescribeAppResponse(
            app_id=app_id,
            state=AppState[state["state"]],
            num_restarts=state.get("num_restarts", 0),
            msg=state["msg"],
            structured_error_msg=errors[0] if errors else NONE,
            ui_url=f"file://{request['log_dir']}",
            metadata=request["metadata"],
            roles_statuses=statuses,
            roles=[role_from_record(role) for role in request["roles"]],
            name=request["name"],
        )

    def describe_native(self, app_id: str) -> Optional[AppDryRunInfo[Any]]:
        request = self._store.request(app_id)
        if request is None:
            return None
        import json

        info: AppDryRunInfo[Any] = AppDryRunInfo(request, lambda record: json.dumps(record, indent=2))
        roles = [role_from_record(role) for role in request["roles"]]
        info._app = AppDef(name=request["name"], roles=roles, metadata=request["metadata"])
        return info

    def exists(self, app_id: str) -> bool:
        return self._store.exists(app_id)

    def list(self, cfg: Mapping[str, CfgVal] | None = None) -> List[ListAppResponse]:
        return [*self.iter_list(cfg)]

    def iter_list(self, cfg: Mapping[str, CfgVal] | None = None) -> Iterator[ListAppResponse]:
        for app_id, submitted in self._store.newest_first():
            try:
                state = self._store.state(app_id)
            except TorchXError:  # a record that is damaged, or somebody else's, hides no other job
                state = {"state": "UNKNOWN"}
            if state is not None:
                app_state = AppState[state["state"]]
                yield ListAppResponse(app_id, app_state, name=self._name_of(app_id), submitted=submitted or None)

    def _name_of(self, app_id: str) -> str:
        """The job's name; read from its record only where the id may tell another one."""
        plain = app_id.rpartition("-")[0]
        if "-" not in plain and len(plain) < MAX_NAME_IN_ID:
            return plain
        try:
            request = self._store.request(app_id)
        except TorchXError:  # damaged, or somebody else's
            request = None
        return plain if request is None else str(request.get("name", plain))

    def _cancel_existing(self, app_id: str) -> None:
        self._store.cancel(app_id)

    def _delete_existing(self, app_id: str) -> None:
        """Cancels the job if it runs, waits for its end, and removes its records and the logs below ``TORCHX_HOME``.

        The folder that its workspace was put together in goes too, unless another job uses it. Logs in a ``log_dir``
        of the user's own stay.

        Raises:
            TorchXError: the job can't be ended.
        """
        self._store.cancel(app_id)
        end = time.monotonic() + DELETE_TIMEOUT
        while (state := self._store.state(app_id)) is not None and state["state"] not in TERMINAL:
            if time.monotonic() > end:
                raise TorchXError(
                    f"`{app_id}` did not end in {DELETE_TIMEOUT:.0f} s", hint="try again, or see its processes with ps"
                )
            time.sleep(0.05)
        if state is not None:
            from torchx.schedulers._local.put_together import folders_of, remove_unused

            folders = folders_of(self._store.request(app_id))
            self._store.remove(app_id)
            if folders:
                remove_unused(folders, self._requests())

    def _requests(self) -> Iterator[dict[str, Any] | None]:
        for other, _ in self._store.newest_first():
            try:
                yield self._store.request(other)
            except TorchXError:  # damaged, or somebody else's
                continue

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
        from torchx.schedulers._local.logsource import LocalLogSource
        from torchx.schedulers._local.status import may_restart

        watch = self._watch(app_id)
        request = watch.request()
        if request is None:
            raise UsageError(f"there is no local job `{app_id}`", hint="`torchx list -s local_cwd` shows what there is")
        names = [role["name"] for role in request["roles"]]
        if role_name not in names:
            raise UsageError(
                f"`{app_id}` has no role `{role_name}`",
                hint=nearest(role_name, names) or f"its roles: {', '.join(names)}",
            )
        role = request["roles"][names.index(role_name)]
        if not 0 <= k < len(role["replicas"]):
            raise UsageError(
                f"role `{role_name}` of `{app_id}` has no replica {k}", hint=f"it has {len(role['replicas'])}, from 0"
            )
        before = sum(len(r["replicas"]) for r in request["roles"][: names.index(role_name)])
        return LocalLogSource(
            watch,
            role["replicas"][k]["log_dir"],
            stream=streams or Stream.COMBINED,
            replica=before + k,
            restartable=may_restart(request, role),
            since=since,
            until=until,
        )

    def log_waiter(self, app_id: str) -> Callable[[float], object]:
        return self._watch(app_id).wait

    def _watch(self, app_id: str) -> AppWatch:
        from torchx.schedulers._local.logsource import AppWatch

        return self._watches.get(app_id) or self._watches.setdefault(app_id, AppWatch(self._store, app_id))


def __getattr__(name: str) -> object:
    if name == "LogIterator":
        from torchx.schedulers._local.logfile import LogIterator

        return LogIterator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def create_scheduler(
    session_name: str,
    image_provider_class: Callable[..., ImageProvider] = CWDImageProvider,
    **kwargs: object,
) -> LocalScheduler:
    """Makes the ``local_cwd`` scheduler."""
    return LocalScheduler(session_name, image_provider_class)


def _load_what_follows() -> None:
    """Imports what whoever waits for the job needs next; done while the job starts, it costs no time."""
    import json

    from torchx.schedulers._local.logsource import LocalLogSource

    _ = json, LocalLogSource


def _new_app_id(name: str) -> str:
    """An id that is safe as the name of a folder and in an app handle."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_-.") else "-" for c in name).strip(".-_")
    return make_unique(plain[:MAX_NAME_IN_ID] or "app")


def _make_log_folder(path: str) -> None:
    try:
        make_private(path)
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied", path)
    except OSError as error:
        raise TorchXError(
            f"can't write logs to {path}: {error.strerror}", hint="choose another folder with -cfg log_dir=..."
        ) from error
