"""A scheduler whose cluster is the folder $DEMO_CLUSTER: each job is a folder in it, each replica a shell."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from torchx.errors import TorchXError
from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler
from torchx.schedulers.ids import make_unique
from torchx.schedulers.log_sources import FileSource
from torchx.schedulers.replicas import describe_replicas, each_replica, replica_number
from torchx.specs import AppDryRunInfo, AppState, ReplicaStatus, is_terminal

RUN = 'exec > "$0.log" 2>&1 < /dev/null; (exec "$@") && : > "$0.SUCCEEDED" || : > "$0.FAILED"'


def find_job(app_id: str) -> Path:
    cluster = Path(os.environ.get("DEMO_CLUSTER", "/tmp/torchx-demo"))
    if not cluster.is_dir():
        raise TorchXError(f"there is no demo cluster at {cluster}", hint="mkdir it, or set DEMO_CLUSTER")
    return cluster / app_id


def describe_job(job: Path) -> DescribeAppResponse:
    marks = {path.name for path in job.iterdir()}
    replicas = []
    for n, replica in enumerate(json.loads((job / "replicas.json").read_text())):
        state = next((s for s in ("SUCCEEDED", "FAILED", "CANCELLED") if f"{n}.{s}" in marks), "RUNNING")
        replicas.append(ReplicaStatus(replica["id"], AppState[state], replica["role"], hostname="localhost"))
    return describe_replicas(job.name, replicas)


class DemoScheduler(Scheduler):
    def _submit_dryrun(self, app, cfg):
        app_id, replicas = make_unique("demo"), []
        for role, k, _ in each_replica(app, app_id):
            replicas.append({"role": role.name, "id": k, "command": [role.entrypoint, *role.args], "env": role.env})
        return AppDryRunInfo({"id": app_id, "replicas": replicas}, lambda request: json.dumps(request, indent=2))

    def schedule(self, dryrun_info):
        app_id, replicas = dryrun_info.request.values()
        job, draft = find_job(app_id), find_job(f".{app_id}")
        if not job.exists():  # else it was submitted before
            draft.mkdir()
            (draft / "replicas.json").write_text(json.dumps(replicas))
            draft.rename(job)
            for n, replica in enumerate(replicas):
                env = {**os.environ, "TORCHX_RANK0_HOST": "localhost", **replica["env"]}
                pid = os.posix_spawn("/bin/sh", ["sh", "-c", RUN, f"{job}/{n}", *replica["command"]], env, setpgroup=0)
                (job / f"{n}.pid").write_text(str(pid))
        return app_id

    def describe(self, app_id):
        try:
            known = app_id in [job.app_id for job in self.list()]
        except TorchXError as error:
            return DescribeAppResponse(app_id, AppState.UNKNOWN, msg=error.message)
        return describe_job(find_job(app_id)) if known else None

    def list(self, cfg=None):
        jobs = [job for job in find_job("").iterdir() if not job.name.startswith(".")]
        return [ListAppResponse(job.name, describe_job(job).state) for job in jobs]

    def _cancel_existing(self, app_id):
        job = find_job(app_id)
        for pid in job.glob("*.pid"):
            if not {".SUCCEEDED", ".FAILED"} & {path.suffix for path in job.glob(f"{pid.stem}.*")}:
                subprocess.run(["kill", "-KILL", "--", f"-{pid.read_text()}"], capture_output=True, timeout=60)
                pid.with_suffix(".CANCELLED").touch()

    def _delete_existing(self, app_id):
        self._cancel_existing(app_id)
        shutil.rmtree(find_job(app_id))

    def log_source(self, app_id, role_name, k=0, **selection):
        n, job = replica_number(self.describe(app_id), role_name, k), find_job(app_id)
        return FileSource(job / f"{n}.log", lambda: is_terminal(describe_job(job).state))


def create_scheduler(session_name: str, **kwargs: object) -> DemoScheduler:
    return DemoScheduler("demo", session_name)
