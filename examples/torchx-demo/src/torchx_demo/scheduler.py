"""A scheduler whose cluster is the folder $DEMO_CLUSTER: each job is a folder in it, each replica a shell."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from torchx.errors import TorchXError, UsageError
from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler
from torchx.schedulers.ids import make_unique
from torchx.schedulers.log_sources import FileSource
from torchx.specs import AppDryRunInfo, AppState, Role, is_terminal, macros

RUN = 'exec > "$0.log" 2>&1 < /dev/null; (exec "$@") && : > "$0.SUCCEEDED" || : > "$0.FAILED"'


def find_job(app_id: str) -> Path:
    cluster = Path(os.environ.get("DEMO_CLUSTER", "/tmp/torchx-demo"))
    if not cluster.is_dir():
        raise TorchXError(f"there is no demo cluster at {cluster}", hint="mkdir it, or set DEMO_CLUSTER")
    return cluster / app_id


def read_state(job: Path) -> AppState:
    found = [path.suffix for path in job.iterdir()]
    if found.count(".SUCCEEDED") + found.count(".FAILED") < found.count(".log"):
        return AppState.CANCELLED if ".CANCELLED" in found else AppState.RUNNING
    return AppState.FAILED if ".FAILED" in found else AppState.SUCCEEDED


class DemoScheduler(Scheduler):
    def _submit_dryrun(self, app, cfg):
        app_id, replicas = make_unique("demo"), []
        for role in app.roles:
            for k in range(role.num_replicas):
                r = macros.Values("", app_id, replica_id=str(k), rank0_env="TORCHX_RANK0_HOST").apply(role)
                replicas.append({"role": r.name, "id": k, "command": [r.entrypoint, *r.args], "env": r.env})
        return AppDryRunInfo({"id": app_id, "replicas": replicas}, lambda request: json.dumps(request, indent=2))

    def schedule(self, dryrun_info):
        app_id, replicas = dryrun_info.request.values()
        job, draft = find_job(app_id), find_job(f".{app_id}")
        if not job.exists():
            draft.mkdir()
            (draft / "replicas.json").write_text(json.dumps(replicas))
            for n in range(len(replicas)):
                (draft / f"{n}.log").touch()
            draft.rename(job)
            for n, replica in enumerate(replicas):
                env = {**os.environ, "TORCHX_RANK0_HOST": "localhost", **replica["env"]}
                pid = os.posix_spawn("/bin/sh", ["sh", "-c", RUN, f"{job}/{n}", *replica["command"]], env, setpgroup=0)
                (job / f"{pid}.pid").touch()
        return app_id

    def describe(self, app_id):
        try:
            if app_id not in [job.app_id for job in self.list()]:
                return None
        except TorchXError as error:
            return DescribeAppResponse(app_id, AppState.UNKNOWN, msg=error.message)
        names = [name for name, _ in self._replicas(app_id)]
        roles = [Role(name, image="", num_replicas=names.count(name)) for name in dict.fromkeys(names)]
        return DescribeAppResponse(app_id, read_state(find_job(app_id)), roles=roles)

    def list(self, cfg=None):
        return [ListAppResponse(job.name, read_state(job)) for job in find_job("").iterdir() if job.name[0] != "."]

    def _cancel_existing(self, app_id):
        job = find_job(app_id)
        if not is_terminal(read_state(job)):
            groups = [f"-{pid.stem}" for pid in job.glob("*.pid")]
            subprocess.run(["kill", "-KILL", "--", *groups], capture_output=True, timeout=60)
            (job / "job.CANCELLED").touch()

    def _delete_existing(self, app_id):
        self._cancel_existing(app_id)
        shutil.rmtree(find_job(app_id))

    def log_source(self, app_id, role_name, k=0, *, since=None, until=None, streams=None):
        job, replicas = find_job(app_id), self._replicas(app_id)
        if (role_name, k) not in replicas:
            raise UsageError(f"{app_id} has no replica {role_name}/{k}")
        return FileSource(job / f"{replicas.index((role_name, k))}.log", lambda: is_terminal(read_state(job)))

    def _replicas(self, app_id):
        file = find_job(app_id) / "replicas.json"
        return [(r["role"], r["id"]) for r in json.loads(file.read_text())] if file.exists() else []


def create_scheduler(session_name: str, **kwargs: object) -> DemoScheduler:
    return DemoScheduler("demo", session_name)
