"""Runs jobs as containers of a Docker engine, most often the one of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from torchx.errors import TorchXError
from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler, Stream
from torchx.schedulers.ids import make_unique
from torchx.specs.api import AppDef, AppDryRunInfo, AppState, CfgVal, runopts
from torchx_docker.client import Engine
from torchx_docker.connection import FIX, EngineUnreachableError
from torchx_docker.details import Inspector
from torchx_docker.ending import cancel, remove
from torchx_docker.lookup import all_replicas, find_replica, replicas_of
from torchx_docker.names import app_part
from torchx_docker.opts import Opts
from torchx_docker.request import LABEL_APP_NAME, NETWORK, build_request, render
from torchx_docker.retries import needs_keeper, next_step
from torchx_docker.status import app_state, described
from torchx_docker.submission import create_missing, start_created
from torchx_docker.workspace.local_images import LocalImageMixin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from typing import Any

    from docker import DockerClient

    from torchx.schedulers.logs import LogSource
    from torchx_docker.logs import JobWatch
    from torchx_docker.replica import Replica

__all__ = ["NETWORK", "DockerOpts", "DockerScheduler", "Opts", "create_scheduler"]

DockerOpts = Opts
Request = dict[str, "Any"]
Records = list[dict[str, "Any"]]
Rows = list[ListAppResponse]

SUBMIT_TIMEOUT = 30.0
"""Seconds for which a submission is tried again when the engine goes away in the middle of it."""


class DockerScheduler(LocalImageMixin, Scheduler[Mapping[str, CfgVal]]):
    """Jobs as containers of a Docker engine.

    Args:
        session_name: name of the runner's session.
        docker_client: a connected client of the Docker SDK; by default the engine that Docker's own command line uses
            is connected to at the first need.
    """

    def __init__(self, session_name: str, docker_client: DockerClient | None = None, **kwargs: object) -> None:
        super().__init__("local_docker", session_name, docker_client=docker_client)
        self._engine = Engine(docker_client, fix=FIX)
        self._watches: WeakValueDictionary[str, JobWatch] = WeakValueDictionary()
        self._inspector = Inspector(self._engine)

    def _run_opts(self) -> runopts:
        return Opts.as_runopts()

    def _validate(self, app: AppDef, scheduler: str, cfg: Mapping[str, CfgVal]) -> None:
        """Accepts roles without a resource: their containers have no limits."""

    def close(self) -> None:
        self._engine.close()

    # -- submission ------------------------------------------------------------------------------------------------

    def _submit_dryrun(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> AppDryRunInfo[Request]:
        import copy

        from torchx.version import __version__

        app = copy.deepcopy(app)
        builder, images = self.dryrun_push_images(app, cfg)
        request = build_request(app, cfg, app_id=make_unique(app_part(app.name)), version=__version__)
        if images:
            request["push"] = {"builder": builder, "images": images}
        return AppDryRunInfo(request, render)

    def schedule(self, dryrun_info: AppDryRunInfo[Request]) -> str:
        """Creates all containers of the job, pulling images that the engine lacks, and starts them.

        Raises:
            EngineUnreachableError: no engine answers, or it went away and did not come back in time.
            EngineError: it refuses: there is no such image, program, folder, device. Nothing of the job is left then.
        """
        from torchx.util.retry import retry

        request = dryrun_info.request
        app_id: str = request["app_id"]
        quiet = bool((dryrun_info._cfg or {}).get("quiet"))
        _ = self._engine.client  # without an engine, this says so at once
        if push := request.get("push"):
            self.push_images((push["builder"], push["images"]))
        retry(lambda: self._submit(request, quiet), transient=EngineUnreachableError, total_timeout=SUBMIT_TIMEOUT)
        return app_id

    def _submit(self, request: Request, quiet: bool) -> None:
        """Makes of the job what is not there yet."""
        from torchx_docker.workspace.engine_images import ensure_base

        app_id: str = request["app_id"]
        try:
            create_missing(self._engine, request, lambda engine, image: ensure_base(engine, image, "", quiet=quiet))
            replicas = start_created(self._engine, request)
            if needs_keeper(replicas) and not next_step(replicas).over:
                from torchx_docker.keeper import launch

                launch(app_id)
        except EngineUnreachableError:
            raise
        except (TorchXError, KeyboardInterrupt):
            remove(self._engine, app_id)
            raise

    # -- a submitted job -------------------------------------------------------------------------------------------

    def describe(self, app_id: str) -> DescribeAppResponse | None:
        return self.describe_many([app_id])[app_id]

    def describe_many(self, app_ids: Iterable[str]) -> dict[str, DescribeAppResponse | None]:
        """As `Scheduler.describe_many`: one call of the engine's, whatever the number of jobs and replicas.

        Why replicas have failed is asked for once, of a few: `MOST_EXPLAINED`. How often the engine has started a
        replica again is asked for where a job has up to `MOST_COUNTED` such.
        """
        wanted = list(app_ids)
        if not wanted:
            return {}
        try:
            one = len(wanted) == 1
            apps = {wanted[0]: replicas_of(self._engine, wanted[0])} if one else all_replicas(self._engine)
            return {app_id: self._described(app_id, apps.get(app_id, [])) for app_id in wanted}
        except EngineUnreachableError as error:
            return {
                app_id: DescribeAppResponse(app_id=app_id, state=AppState.UNKNOWN, msg=error.message)
                for app_id in wanted
            }

    def _described(self, app_id: str, replicas: list[Replica]) -> DescribeAppResponse | None:
        if not replicas:
            return None
        return described(app_id, replicas, self._inspector.details_of(replicas))

    def describe_native(self, app_id: str) -> AppDryRunInfo[Records] | None:
        """The engine's full records of the job's containers."""
        replicas = replicas_of(self._engine, app_id)
        records = [record for r in replicas if (record := self._engine.inspect(r.container)) is not None]
        if not records:
            return None
        import json

        return AppDryRunInfo(records, lambda request: json.dumps(request, indent=2))

    def list(self, cfg: Mapping[str, CfgVal] | None = None) -> Rows:
        """The jobs of this engine, whoever submitted them; one call."""
        return [
            ListAppResponse(app_id=app_id, state=app_state(replicas), name=replicas[0].labels.get(LABEL_APP_NAME, ""))
            for app_id, replicas in all_replicas(self._engine).items()
        ]

    def _cancel_existing(self, app_id: str) -> None:
        """Asks the containers to end, and kills those that have not in 5 s; returns when they have."""
        cancel(self._engine, app_id)

    def _delete_existing(self, app_id: str) -> None:
        """Removes the containers with their logs and anonymous volumes; named volumes and the network stay."""
        remove(self._engine, app_id)

    def exists(self, app_id: str) -> bool:
        """Whether the engine has a container of the job; also where it can't be asked, since it may have."""
        try:
            return bool(replicas_of(self._engine, app_id))
        except EngineUnreachableError:
            return True

    # -- logs ------------------------------------------------------------------------------------------------------

    def log_source(
        self,
        app_id: str,
        role_name: str,
        k: int = 0,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        streams: Stream | None = None,
    ) -> LogSource:
        from torchx_docker.logs import ContainerLog

        watch = self._watch(app_id)
        replica = find_replica(watch.replicas(), app_id, role_name, k)
        stream = streams or Stream.COMBINED
        return ContainerLog(watch, replica.container, stream=stream, since=since, until=until)

    def log_waiter(self, app_id: str) -> Callable[[float], object]:
        return self._watch(app_id).wait

    def _watch(self, app_id: str) -> JobWatch:
        from torchx_docker.logs import JobWatch

        return self._watches.setdefault(app_id, JobWatch(self._engine, app_id))


def create_scheduler(session_name: str, docker_client: DockerClient | None = None, **kwargs: object) -> DockerScheduler:
    """Makes the ``local_docker`` scheduler."""
    return DockerScheduler(session_name, docker_client)
