"""Programs as users write them from the reference, each run as it is by an interpreter of its own.

Where they ask for a cluster there is one by that name that only remembers what it is sent.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))

CLUSTER = '''
"""A cluster that keeps what it is sent in memory; every job has succeeded at once."""

from torchx.plugins import SchedulerPlugin, hookimpl


@hookimpl
def torchx_schedulers():
    return [SchedulerPlugin(name="kubernetes", factory="pretended_cluster:create_scheduler")]


def create_scheduler(session_name, **kwargs):
    from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler
    from torchx.specs import AppDryRunInfo, AppState, runopts

    class Cluster(Scheduler):
        def __init__(self):
            super().__init__("kubernetes", session_name)
            self.jobs = {}

        def _run_opts(self):
            opts = runopts()
            opts.add("namespace", type_=str, default="default", help="namespace")
            opts.add("image_repo", type_=str, help="where images are pushed")
            opts.add("queue", type_=str, help="queue")
            return opts

        def _submit_dryrun(self, app, cfg):
            return AppDryRunInfo({"id": f"{app.name}-{len(self.jobs)}", "app": app, "cfg": dict(cfg)}, repr)

        def schedule(self, dryrun_info):
            self.jobs[dryrun_info.request["id"]] = dryrun_info.request
            return dryrun_info.request["id"]

        def describe(self, app_id):
            if app_id not in self.jobs:
                return None
            return DescribeAppResponse(
                app_id=app_id,
                state=AppState.SUCCEEDED,
                msg="all done",
                ui_url="http://cluster.example.com/",
                roles=self.jobs[app_id]["app"].roles,
            )

        def list(self, cfg=None):
            return [ListAppResponse(app_id=app_id, state=AppState.SUCCEEDED) for app_id in self.jobs]

        def log_iter(self, app_id, role_name, k, regex, since, until, should_tail, streams):
            return ["first\\n", "second\\n"]

        def _cancel_existing(self, app_id):
            pass

        def _delete_existing(self, app_id):
            del self.jobs[app_id]

    return Cluster()
'''


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has the pretended cluster's plugin installed."""
    info = tmp_path / "site" / "pretended_cluster-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pretended-cluster\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[torchx.plugins]\npretended-cluster = pretended_cluster\n")
    (tmp_path / "site" / "pretended_cluster.py").write_text(CLUSTER)
    # The backend's own distribution would provide the name too.
    disabled = {"TORCHX_DISABLE_PLUGINS": "torchx-k8s"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TORCHX")}
    places = {"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "site"), "TORCHX_HOME": str(tmp_path / "home")}
    return {**kept, **disabled, **places, "PYTHONWARNINGS": "error"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_programs_run_as_they_are(program: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    (folder := tmp_path / "work").mkdir()
    # From the folder itself, as a user runs it.
    (folder / "program.py").write_text(program.read_text())
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
