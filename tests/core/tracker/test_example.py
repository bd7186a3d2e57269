"""The example of a tracked training job: run as a job, read back by the command line from other processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "tracked_training" / "train.py"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TORCHX")}
    return {**kept, "HOME": str(tmp_path), "TORCHX_HOME": str(tmp_path / "home")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(EXAMPLE, folder)
    (folder / ".torchxconfig").write_text(f"[torchx:tracker]\nfsspec = {tmp_path}/runs\n")
    return folder


def torchx(*args: str, cwd: Path, env: dict[str, str], rc: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from torchx.cli.main import main; main()", *args]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == rc, done.stderr
    return done


def train(project: Path, env: dict[str, str], *options: str) -> str:
    """Runs the example as a job and returns the job's handle."""
    job = ["utils.python", "--script", "train.py", "--", "--epochs", "3", "--model_dir", f"{project.parent}/models"]
    return torchx("run", "-s", "local_cwd", *options, *job, cwd=project, env=env).stdout.splitlines()[0]


def test_what_a_job_records_is_listed_from_another_shell(project: Path, env: dict[str, str]) -> None:
    run_id = train(project, env)
    child_id = train(project, env, "--parent_run_id", run_id)

    def listed(*args: str) -> object:
        return json.loads(torchx("tracker", "list", *args, "--json", cwd=project, env=env).stdout)

    assert listed("jobs") == sorted([run_id, child_id])
    assert listed("jobs", "--parent-run-id", run_id) == [child_id]
    metadata = listed("metadata", run_id)
    assert isinstance(metadata, dict)
    assert {name: metadata[name] for name in ("epochs", "lr", "seed", "epoch")} == {
        "epochs": 3,
        "lr": 0.5,
        "seed": 0,
        "epoch": 2,
    }
    assert 0 < metadata["final_loss"] < 1
    model = {"name": "model", "path": f"{project.parent}/models/model.json"}
    artifact = {**model, "metadata": {"loss": metadata["final_loss"], "format": "json"}}
    assert listed("artifacts", run_id) == [artifact]
    assert listed("artifacts", "--artifact", "model", run_id.rpartition("/")[2]) == [artifact]


def test_mistakes_are_told_in_one_line(project: Path, env: dict[str, str]) -> None:
    run_id = train(project, env)
    for args, told in {
        ("metadata", run_id + "x"): "there is no run",
        ("artifacts", "--artifact", "modle", run_id): "has no artifact `modle`",
        ("jobs", "--parent-run-id", "nothing"): "there is no run `nothing`",
    }.items():
        done = torchx("tracker", "list", *args, cwd=project, env=env, rc=2)
        assert done.stdout == ""
        assert told in done.stderr.splitlines()[0]
    (project / ".torchxconfig").unlink()
    done = torchx("tracker", "list", "jobs", cwd=project, env=env, rc=2)
    assert done.stderr.startswith("error: no tracker is configured\nhint: ")


def test_without_a_job_the_script_runs_and_records_nothing(project: Path, env: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "train.py", "--epochs", "2", "--model_dir", str(tmp_path / "models")]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("epoch 0: loss ")
    assert json.loads((tmp_path / "models" / "model.json").read_text()).keys() == {"slope", "offset"}
    assert not (tmp_path / "runs").exists()
