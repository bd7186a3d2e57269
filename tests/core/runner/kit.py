"""A scheduler that keeps its jobs in memory and does what the test tells it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from torchx.runner import Runner
from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler
from torchx.specs import AppDef, AppDryRunInfo, AppState, CfgVal, Resource, Role, runopts
from torchx.workspace import WorkspaceMixin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Cluster(Scheduler["Mapping[str, CfgVal]"]):
    """Jobs end when ``states`` says so: each look at a job takes the next state, the last one stays."""

    def __init__(self, session_name: str, **kwargs: object) -> None:
        super().__init__("cluster", session_name)
        self.parameters = kwargs
        self.jobs: dict[str, AppDef] = {}
        self.states: list[AppState | Exception] = [AppState.RUNNING]
        self.asked = 0
        self.cancelled: list[str] = []
        self.deleted: list[str] = []
        self.closed = 0
        self.lines: dict[tuple[str, int], list[str]] = {}

    def _run_opts(self) -> runopts:
        opts = runopts()
        opts.add("queue", type_=str, help="where to wait", required=True)
        opts.add("priority", type_=int, help="how urgent", default=1)
        opts.add("tags", type_=list[str], help="labels")
        return opts

    def _submit_dryrun(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> AppDryRunInfo[dict[str, Any]]:
        return AppDryRunInfo({"name": app.name, "cfg": dict(cfg)}, str)

    def schedule(self, dryrun_info: AppDryRunInfo[dict[str, Any]]) -> str:
        name = dryrun_info.request["name"]
        assert dryrun_info._app is not None
        self.jobs[name] = dryrun_info._app
        return str(name)

    def describe(self, app_id: str) -> DescribeAppResponse | None:
        self.asked += 1
        if app_id not in self.jobs:
            return None
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return DescribeAppResponse(app_id=app_id, state=state, roles=self.jobs[app_id].roles, msg="as told")

    def describe_many(self, app_ids: Iterable[str]) -> dict[str, DescribeAppResponse | None]:
        self.asked += 1
        return {app_id: DescribeAppResponse(app_id, self.states[-1]) if app_id in self.jobs else None  # type: ignore[arg-type]
                for app_id in app_ids}  # fmt: skip

    def exists(self, app_id: str) -> bool:
        return app_id in self.jobs

    def list(self, cfg: Mapping[str, CfgVal] | None = None) -> list[ListAppResponse]:
        return [ListAppResponse(app_id, AppState.RUNNING) for app_id in self.jobs]

    def log_iter(self, app_id: str, role_name: str, k: int = 0, *args: Any, **kwargs: Any) -> Iterable[str]:
        return iter(self.lines.get((role_name, k), []))

    def _cancel_existing(self, app_id: str) -> None:
        self.cancelled.append(app_id)

    def _delete_existing(self, app_id: str) -> None:
        self.deleted.append(app_id)
        del self.jobs[app_id]

    def close(self) -> None:
        self.closed += 1


class Builder(WorkspaceMixin[None], Cluster):
    """A cluster whose images are built from workspaces."""

    def build_workspace_and_update_role(self, role: Role, workspace: str, cfg: Mapping[str, CfgVal]) -> None:
        role.image = f"{role.image}+{workspace}"


class Factories:
    """Makes schedulers and remembers them."""

    def __init__(self, cls: type[Cluster] = Cluster) -> None:
        self.made: list[Cluster] = []
        self._cls = cls
        self._lock = threading.Lock()

    def make(self, session_name: str, zone: str = "a", nodes: int = 1, **kwargs: Any) -> Cluster:
        with self._lock:
            self.made.append(self._cls(session_name, zone=zone, nodes=nodes, **kwargs))
            return self.made[-1]

    def runner(self, **kwargs: Any) -> Runner:
        return Runner("session", {"cluster": self.make}, **kwargs)


def app(**kwargs: Any) -> AppDef:
    """A job of one role."""
    role = Role("w", "image", entrypoint="echo", args=["hi"], resource=Resource(1, 0, 1), **kwargs)
    return AppDef("job", [role])


CFG: dict[str, CfgVal] = {"queue": "q"}
