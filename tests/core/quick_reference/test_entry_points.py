"""One distribution that registers something of each kind through the documented entry-point groups."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from torchx.util.configfile import toml_loads

if TYPE_CHECKING:
    from pathlib import Path

PYPROJECT = """
[project.entry-points."torchx.schedulers"]
my_sched = "my_pkg.scheduling:create_scheduler"

[project.entry-points."torchx.named_resources"]
gpu_x4 = "my_pkg.resources:gpu_x4"

[project.entry-points."torchx.components"]
myco = "my_pkg.components"

[project.entry-points."torchx.tracker"]
my_tracker = "my_pkg.tracking:create"

[project.entry-points."torchx.cli.cmds"]
my_tool = "my_pkg.commands:CmdMyTool"
"""

FILES = {
    "__init__": "",
    "scheduling": """
        from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler
        from torchx.specs import AppDryRunInfo, AppState

        class MyScheduler(Scheduler):
            def __init__(self, session_name, **kwargs):
                super().__init__("my_sched", session_name)
            def _submit_dryrun(self, app, cfg):
                return AppDryRunInfo({"name": app.name, "cpus": app.roles[0].resource.cpu}, repr)
            def schedule(self, dryrun_info):
                return "job-id-123"
            def describe(self, app_id):
                return DescribeAppResponse(app_id=app_id, state=AppState.RUNNING, msg="on its way")
            def list(self, cfg=None):
                return [ListAppResponse(app_id="job-id-123", state=AppState.RUNNING, name="one")]
            def _cancel_existing(self, app_id):
                print("cancelled", app_id)

        def create_scheduler(session_name, **kwargs):
            return MyScheduler(session_name, **kwargs)
    """,
    "resources": """
        from torchx.specs import Resource

        def gpu_x4():
            return Resource(cpu=32, gpu=4, memMB=128000)
    """,
    "components": """
        import torchx.specs as specs

        def train(script: str, h: str = "gpu_x4") -> specs.AppDef:
            return specs.AppDef("train", [specs.Role("r", "img", args=[script], resource=specs.resource(h=h))])
    """,
    "tracking": """
        from torchx.tracker.api import Lineage, TrackerBase

        class MyTracker(TrackerBase):
            def __init__(self, connection):
                self.connection = connection
            def add_artifact(self, run_id, name, path, metadata=None): ...
            def add_metadata(self, run_id, **kwargs): ...
            def add_source(self, run_id, source_id, artifact_name=None): ...
            def artifacts(self, run_id):
                return {}
            def metadata(self, run_id):
                return {"connection": self.connection, "run": run_id}
            def sources(self, run_id, artifact_name=None):
                return []
            def lineage(self, run_id):
                return Lineage()
            def run_ids(self, **kwargs):
                return ["run-1", "run-2"]

        def create(config):
            return MyTracker(config or "default://localhost")
    """,
    "commands": """
        import argparse
        from torchx.cli.cmd_base import SubCommand

        class CmdMyTool(SubCommand):
            def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
                subparser.add_argument("--config", type=str, help="path of the configuration")
                subparser.add_argument("app_id", type=str, help="the job")
            def run(self, args: argparse.Namespace) -> None:
                print(f"Running my_tool on {args.app_id} with config={args.config}")
    """,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to work in, beside a site folder with the distribution."""
    from textwrap import dedent

    package = tmp_path / "site" / "my_pkg"
    package.mkdir(parents=True)
    for name, source in FILES.items():
        (package / f"{name}.py").write_text(dedent(source))
    info = tmp_path / "site" / "my_dist-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-dist\nVersion: 2.0\n")
    groups = toml_loads(PYPROJECT)["project"]["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / ".torchxconfig").write_text("[torchx:tracker]\nmy_tracker = my://server\n")
    return tmp_path / "work"


def torchx(folder: Path, *args: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TORCHX")}
    environment |= {"PYTHONPATH": str(folder.parent / "site"), "HOME": str(folder.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "torchx", *args],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_component_and_named_resource_and_scheduler(folder: Path) -> None:
    shown = torchx(folder, "run", "-s", "my_sched", "--dryrun", "myco.train", "--script", "x.py")
    assert "'cpus': 32" in shown
    assert torchx(folder, "run", "-s", "my_sched", "myco.train", "--script", "x.py") == "my_sched://torchx/job-id-123\n"


def test_questions_about_a_job_go_to_the_scheduler(folder: Path) -> None:
    assert "on its way" in torchx(folder, "status", "my_sched://torchx/job-id-123")
    assert "job-id-123" in torchx(folder, "list", "-s", "my_sched")
    assert "cancelled job-id-123" in torchx(folder, "cancel", "my_sched://torchx/job-id-123")


def test_tracker(folder: Path) -> None:
    assert torchx(folder, "tracker", "list", "jobs").split() == ["run-1", "run-2"]
    assert "my://server" in torchx(folder, "tracker", "list", "metadata", "run-1")


def test_command(folder: Path) -> None:
    shown = torchx(folder, "my_tool", "--config", "c.yaml", "some-job")
    assert shown == "Running my_tool on some-job with config=c.yaml\n"
    assert "my_tool" in torchx(folder, "--help")


def test_all_of_it_is_listed_beside_what_is_built_in(folder: Path) -> None:
    line = next(line for line in torchx(folder, "plugins").splitlines() if line.startswith("my-dist"))
    for name in ("my_sched", "gpu_x4", "myco", "my_tracker", "my_tool"):
        assert name in line
    assert "local_cwd" in torchx(folder, "runopts")
