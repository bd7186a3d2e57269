"""The training script of ``examples/`` as a job of ``dist.ddp`` on two nodes of a Slurm cluster."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchx.components.dist import ddp
from torchx.specs.api import AppState

if TYPE_CHECKING:
    from tests.cluster.slurm.cluster import SlurmCluster
    from tests.cluster.slurm.jobs import SlurmJobs

SCRIPT = Path(__file__).parents[3] / "examples" / "train_ddp" / "train.py"
#: Seconds for one command. Four processes that import torch take half a minute on two busy cores.
TIMEOUT = 300


@pytest.fixture(scope="module")
def environment(slurm_cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    assert importlib.util.find_spec("torch"), "this test trains with PyTorch: run it with `tox -e cluster`"
    slurm_cluster.repair()
    # torchrun is found beside the interpreter that runs the tests.
    path = f"{Path(sys.executable).parent}:{slurm_cluster.env['PATH']}"
    home = tmp_path_factory.mktemp("home")
    return {**slurm_cluster.env, "PATH": path, "TORCHX_HOME": str(home), "TORCHXCONFIG": "", "OMP_NUM_THREADS": "1"}


def torchx(environment: dict[str, str], folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torchx", *args]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


def train(environment: dict[str, str], folder: Path, *args: str) -> tuple[str, dict[str, Any], str]:
    """Trains on two nodes; returns the job's handle, its status and its log."""
    # Each replica wants more than half of a node.
    job = ["dist.ddp", "-j", "2x2", "--cpu", "10", "--memMB", "3000", "--script", str(SCRIPT), "--", *args]
    ended = torchx(environment, folder, "run", "-s", "slurm", "--wait", *job)
    handle = ended.stdout.split()[0]
    status: dict[str, Any] = json.loads(torchx(environment, folder, "status", "--json", handle).stdout)
    log = torchx(environment, folder, "log", handle)
    assert log.returncode == 0, log.stderr
    assert (ended.returncode == 0) == (status["state"] == "SUCCEEDED"), ended.stderr
    return handle, status, log.stdout


def losses(log: str) -> dict[int, list[float]]:
    """The losses that each rank printed, by epoch."""
    found: dict[int, list[float]] = {}
    for rank, loss in re.findall(r"rank (\d) epoch \d+ loss ([\d.]+)$", log, re.MULTILINE):
        found.setdefault(int(rank), []).append(float(loss))
    return found


def test_four_ranks_on_two_nodes_train_together(environment: dict[str, str], tmp_path: Path) -> None:
    checkpoint = tmp_path / "ddp.pt"
    handle, status, log = train(environment, tmp_path, "--epochs", "3", "--checkpoint", str(checkpoint))
    assert handle.startswith("slurm://")
    assert status["state"] == "SUCCEEDED", log
    replicas = [replica for role in status["roles"] for replica in role["replicas"]]
    assert [replica["state"] for replica in replicas] == ["SUCCEEDED"] * 2
    assert len({replica["hostname"] for replica in replicas}) == 2
    joined = re.findall(r"^train/(\d) .*rank (\d) of 4 has joined", log, re.MULTILINE)
    assert sorted(rank for _, rank in joined) == ["0", "1", "2", "3"]
    assert sorted(node for node, _ in joined) == ["0", "0", "1", "1"]
    by_rank = losses(log)
    assert set(by_rank) == {0, 1, 2, 3}
    assert all(found == by_rank[0] for found in by_rank.values())
    assert by_rank[0] == sorted(by_rank[0], reverse=True)
    assert checkpoint.stat().st_size > 1000


def test_a_rank_that_raises_fails_the_job_and_is_quoted(environment: dict[str, str], tmp_path: Path) -> None:
    _, status, log = train(environment, tmp_path, "--epochs", "3", "--fail-rank", "3")
    assert status["state"] == "FAILED", log
    assert "RuntimeError: rank 3 was asked to fail" in log
    assert "rank 3 was asked to fail" in status["structured_error_msg"]


def test_two_trainings_in_one_job_do_not_meet(
    slurm_jobs: SlurmJobs, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nodes of this cluster share one network, so that their ports are as those of roles on one node."""
    for name in ("PATH", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, environment[name])
    roles = []
    for name in ("one", "two"):
        args = ("--epochs", "2", "--checkpoint", str(tmp_path / f"{name}.pt"))
        (role,) = ddp(*args, script=str(SCRIPT), j="2x1", cpu=2, memMB=2000).roles
        role.name, role.image = name, ""
        roles.append(role)
    slurm_jobs.timeout = TIMEOUT
    app_id = slurm_jobs.submit(*roles)
    logs = {role.name: [slurm_jobs.lines(app_id, role.name, k) for k in range(2)] for role in roles}
    assert slurm_jobs.end(app_id).state is AppState.SUCCEEDED, logs
    for role in roles:
        text = "".join(line for lines in logs[role.name] for line in lines)
        assert sorted(re.findall(r"rank (\d) of 2 has joined", text)) == ["0", "1"], logs
        assert set(losses(text)) == {0, 1}
        assert (tmp_path / f"{role.name}.pt").stat().st_size > 1000
