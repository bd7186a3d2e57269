"""The example of a third-party distribution: installed as a user would, it passes the suites and is of use."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.packaging.built import ROOT, Built, Environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEMO = ROOT / "examples" / "torchx-demo"

MOST_LINES = 150
"""Lines of the distribution, its pyproject.toml and blank ones included, stay below."""


@pytest.fixture(scope="module")
def environment(built: Built, new_environment: Callable[..., Environment], uv: str) -> Environment:
    """An environment with the wheels of torchx-core and torchx-demo, and a demo cluster."""
    environment = new_environment(f"{built.wheel('torchx-core')}[testing]")
    source = environment.folder / "source"
    shutil.copytree(DEMO, source, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    done = environment.run(uv, "build", "--quiet", "--wheel", "--out-dir", "dist", str(source))
    assert done.returncode == 0, done.stderr
    wheel = next((environment.folder / "dist").glob("torchx_demo-*.whl"))
    environment.install(str(wheel))
    cluster = environment.folder / "cluster"
    cluster.mkdir()
    environment.variables["DEMO_CLUSTER"] = str(cluster)
    return environment


def test_it_is_short() -> None:
    files = [DEMO / "pyproject.toml", *(DEMO / "src").rglob("*.py")]
    assert sum(len(path.read_text().splitlines()) for path in files) < MOST_LINES


def test_it_passes_the_conformance_suites(environment: Environment) -> None:
    shutil.copytree(DEMO / "tests", environment.folder / "tests", dirs_exist_ok=True)
    done = environment.run(
        str(environment.python), "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = done.stdout.splitlines()[-1]
    assert " passed" in summary
    assert "3 skipped" in summary, "the capability flags that are off cost these tests, and no others"


def test_it_is_listed_with_all_that_it_adds(environment: Environment) -> None:
    listed = json.loads(environment.torchx("plugins", "--json").stdout)["distributions"]
    demo = next(record for record in listed if record["dist"] == "torchx-demo")
    assert (demo["version"], demo["status"], demo["error"]) == ("1.0", "ok", "")
    assert demo["names"] == {
        "schedulers": ["demo"],
        "trackers": ["demo"],
        "named_resources": ["demo.small"],
        "components": ["demo.hello"],
        "cli_commands": ["demo"],
    }


def test_a_job_runs_on_its_scheduler_and_is_seen_from_other_commands(environment: Environment) -> None:
    ran = environment.torchx("run", "-s", "demo", "--wait", "--log", "demo.hello", "--name", "you")
    assert ran.returncode == 0, ran.stderr
    assert "hello you" in ran.stderr
    handle = ran.stdout.splitlines()[0]
    assert handle.startswith("demo://torchx/")
    assert "SUCCEEDED" in environment.torchx("status", handle).stdout
    assert "hello you" in environment.torchx("log", handle).stdout
    assert handle in environment.torchx("list", "-s", "demo").stdout
    assert environment.torchx("delete", handle).returncode == 0
    assert environment.torchx("status", handle).returncode == 1


def test_a_built_in_component_runs_on_it_with_its_resource(environment: Environment) -> None:
    ran = environment.torchx(
        *("run", "-s", "demo", "--wait", "--log", "utils.sh", "-h", "demo.small", "--num_replicas", "2", "--"),
        *("sh", "-c", "echo $TORCHX_JOB_ID ${replica_id}"),
    )
    assert ran.returncode == 0, ran.stderr
    handle = ran.stdout.splitlines()[0]
    assert f"sh/1 {handle} 1" in ran.stderr


def test_failed_job_is_told(environment: Environment) -> None:
    ran = environment.torchx("run", "-s", "demo", "--wait", "utils.sh", "--", "sh", "-c", "exit 3")
    assert ran.returncode == 1
    assert "FAILED" in ran.stderr + ran.stdout


def test_its_command(environment: Environment) -> None:
    assert "show the demo cluster" in environment.torchx("--help").stdout
    assert environment.torchx("demo").stdout.endswith(f"jobs in {environment.folder / 'cluster'}\n")


def test_its_tracker_keeps_what_a_job_reports(environment: Environment) -> None:
    script = environment.folder / "report.py"
    script.write_text(
        "from torchx.tracker import app_run_from_env\napp_run_from_env().add_metadata(loss=0.5)\nprint('reported')\n"
    )
    (environment.folder / ".torchxconfig").write_text("[torchx:tracker]\ndemo =\n")
    ran = environment.torchx("run", "-s", "demo", "--wait", "--log", "utils.python", "--script", str(script))
    assert ran.returncode == 0, ran.stderr
    handle = ran.stdout.splitlines()[0]
    assert "0.5" in environment.torchx("tracker", "list", "metadata", handle).stdout
    assert handle in environment.torchx("tracker", "list", "jobs").stdout


def test_without_its_cluster_the_error_says_what_to_do(environment: Environment, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    refused = environment.torchx("run", "-s", "demo", "demo.hello", DEMO_CLUSTER=missing)
    assert refused.returncode == 1
    assert refused.stderr == (f"error: there is no demo cluster at {missing}\nhint: mkdir it, or set DEMO_CLUSTER\n")
