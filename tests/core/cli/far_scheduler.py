"""A scheduler that is not on this machine, for tests: its jobs are files, and nothing ever runs."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, List, Optional  # noqa: UP035 (FarScheduler.list hides list)

from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler
from torchx.specs import AppDef, AppDryRunInfo, AppState, CfgVal, ReplicaStatus, Role, RoleStatus, runopts

Cfg = Mapping[str, CfgVal]


class FarScheduler(Scheduler[Cfg]):
    """``$FAR_JOBS`` has a file for each job; ``$FAR_STATE`` is the state of a new one."""

    def __init__(self, session_name: str) -> None:
        super().__init__("far", session_name)
        self.jobs = Path(os.environ["FAR_JOBS"])

    def _run_opts(self) -> runopts:
        opts = runopts()
        opts.add("queue", type_=str, help="where to wait", required=True)
        opts.add("priority", type_=int, help="the higher the sooner", default=0)
        return opts

    def _submit_dryrun(self, app: AppDef, cfg: Cfg) -> AppDryRunInfo[Any]:
        roles = [{"name": r.name, "num_replicas": r.num_replicas, "args": r.args, "env": r.env} for r in app.roles]
        request = {"name": app.name, "queue": cfg["queue"], "roles": roles}
        return AppDryRunInfo(request, lambda r: json.dumps(r, indent=2))

    def schedule(self, dryrun_info: AppDryRunInfo[Any]) -> str:
        app_id: str = dryrun_info.request["name"]
        if "FAR_SLOW" in os.environ:
            print("submitting", flush=True)
            input()
        self._write(app_id, {**dryrun_info.request, "state": os.environ.get("FAR_STATE", "PENDING")})
        return app_id

    def describe(self, app_id: str) -> Optional[DescribeAppResponse]:
        file = self.jobs / f"{app_id}.json"
        if not file.exists():
            return None
        record = json.loads(file.read_text())
        state = AppState[record["state"]]
        roles = [Role(name=r["name"], image="", num_replicas=r["num_replicas"]) for r in record["roles"]]
        statuses = [
            RoleStatus(r.name, [ReplicaStatus(k, state, r.name, f"node{k}") for k in range(r.num_replicas)])
            for r in roles
        ]
        return DescribeAppResponse(app_id=app_id, state=state, roles=roles, roles_statuses=statuses)

    def list(self, cfg: Optional[Cfg] = None) -> List[ListAppResponse]:  # noqa: UP006
        if "FAR_DOWN" in os.environ:
            raise ConnectionError("no route to far")
        if "FAR_HANGS" in os.environ:
            threading.Event().wait()
        files = sorted(self.jobs.glob("*.json"))
        states = ((file.stem, json.loads(file.read_text())["state"]) for file in files)
        return [ListAppResponse(app_id=app_id, state=AppState[state], name=app_id) for app_id, state in states]

    def _cancel_existing(self, app_id: str) -> None:
        record = json.loads((self.jobs / f"{app_id}.json").read_text())
        self._write(app_id, {**record, "state": "CANCELLED"})

    def _delete_existing(self, app_id: str) -> None:
        (self.jobs / f"{app_id}.json").unlink()

    def log_iter(self, app_id: str, role_name: str, k: int = 0, *args: object, **kwargs: object) -> Iterable[str]:
        if "FAR_NO_LOGS" in os.environ:
            raise NotImplementedError
        return [f"{role_name} {k} says {word}\n" for word in ("one", "two")]

    def _write(self, app_id: str, record: Mapping[str, object]) -> None:
        (self.jobs / f"{app_id}.json").write_text(json.dumps(record))


def create_scheduler(session_name: str, **kwargs: object) -> FarScheduler:
    """The factory."""
    return FarScheduler(session_name)
