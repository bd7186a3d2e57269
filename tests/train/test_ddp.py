"""The training script of ``examples/`` as a job of ``dist.ddp`` on this machine. Needs torch: it fails without."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "examples" / "train_ddp" / "train.py"
RANKS = range(4)
TIMEOUT = 300
"""Seconds for one command. Four processes that import torch take half a minute on two busy cores."""


@dataclass(frozen=True, kw_only=True)
class Torchx:
    """The command line, with a home folder of its own."""

    env: dict[str, str]
    cwd: Path

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "torchx", *args]
        return subprocess.run(command, env=self.env, cwd=self.cwd, capture_output=True, text=True, timeout=TIMEOUT)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job that has ended: what `torchx run` printed, and what later commands say about it."""

    torchx: Torchx
    run: subprocess.CompletedProcess[str]

    @property
    def handle(self) -> str:
        return self.run.stdout.splitlines()[0]

    def status(self) -> dict[str, Any]:
        result = self.torchx("status", "--json", self.handle)
        assert result.returncode == 0, result.stderr
        status: dict[str, Any] = json.loads(result.stdout)
        return status


def run_ddp(folder: Path, *script_args: str) -> Job:
    # torchrun is found beside the interpreter that runs the tests.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "TORCHX_HOME": str(folder / "home"), "TORCHXCONFIG": "", "OMP_NUM_THREADS": "1"}
    work = folder / "work"
    work.mkdir()
    torchx = Torchx(env=env, cwd=work)
    job = ["dist.ddp", "-j", "2x2", "--script", str(SCRIPT), "--", *script_args]
    return Job(torchx=torchx, run=torchx("run", "-s", "local_cwd", *job))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints") / "ddp.pt"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Job:
    return run_ddp(tmp_path_factory.mktemp("trained"), "--epochs", "4", "--checkpoint", str(checkpoint))


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return run_ddp(tmp_path_factory.mktemp("failed"), "--epochs", "3", "--fail-rank", "3")


def losses(log: str) -> dict[int, list[float]]:
    """The losses that each rank printed, by epoch."""
    found: dict[int, list[float]] = {}
    for rank, loss in re.findall(r"rank (\d) epoch \d+ loss ([\d.]+)$", log, re.MULTILINE):
        found.setdefault(int(rank), []).append(float(loss))
    return found


def test_the_job_succeeds(trained: Job) -> None:
    assert trained.run.returncode == 0, trained.run.stderr
    assert trained.handle.startswith("local_cwd://")
    status = trained.status()
    assert status["state"] == "SUCCEEDED"
    assert [replica["state"] for role in status["roles"] for replica in role["replicas"]] == ["SUCCEEDED"] * 2


def test_four_ranks_meet(trained: Job) -> None:
    joined = re.findall(r"rank (\d) of (\d) has joined", trained.run.stderr)
    assert sorted(joined) == [(str(rank), "4") for rank in RANKS]


def test_each_node_has_two_of_the_ranks(trained: Job) -> None:
    where = re.findall(r"^train/(\d) .*rank (\d) of 4 has joined", trained.run.stderr, re.MULTILINE)
    assert sorted(node for node, _ in where) == ["0", "0", "1", "1"]


def test_the_loss_falls_the_same_on_every_rank(trained: Job) -> None:
    by_rank = losses(trained.run.stderr)
    assert set(by_rank) == set(RANKS)
    assert len(by_rank[0]) == 4
    assert all(by_rank[rank] == by_rank[0] for rank in RANKS)
    assert by_rank[0] == sorted(by_rank[0], reverse=True)
    assert by_rank[0][-1] < 0.7 * by_rank[0][0]


def test_the_log_command_has_the_lines_of_all_ranks(trained: Job) -> None:
    log = trained.torchx("log", trained.handle)
    assert log.returncode == 0, log.stderr
    assert losses(log.stdout) == losses(trained.run.stderr)


def test_the_log_of_one_replica(trained: Job) -> None:
    both = [losses(trained.torchx("log", f"{trained.handle}/train/{node}").stdout) for node in (0, 1)]
    assert [len(node) for node in both] == [2, 2]
    assert both[0].keys() | both[1].keys() == set(RANKS)


def test_the_checkpoint_is_written_and_resumed(trained: Job, checkpoint: Path, tmp_path: Path) -> None:
    assert trained.run.returncode == 0
    saved = torch.load(checkpoint, weights_only=True)
    assert saved["epoch"] == 3
    assert all(torch.isfinite(tensor).all() for tensor in saved["model"].values())

    again = run_ddp(tmp_path, "--epochs", "5", "--checkpoint", str(checkpoint))
    assert again.run.returncode == 0, again.run.stderr
    by_rank = losses(again.run.stderr)
    assert {rank: len(found) for rank, found in by_rank.items()} == dict.fromkeys(RANKS, 1)
    assert by_rank[0][0] < losses(trained.run.stderr)[0][-1]
    assert torch.load(checkpoint, weights_only=True)["epoch"] == 4


def test_without_a_place_the_checkpoint_is_where_the_output_says(failed: Job) -> None:
    said = re.search(r"checkpoint: (.+)$", failed.run.stderr, re.MULTILINE)
    assert said is not None
    assert Path(said[1]).stem == failed.handle.rpartition("/")[2]
    saved = torch.load(said[1], weights_only=True)
    Path(said[1]).unlink()
    assert saved["epoch"] == 0


def test_a_rank_that_raises_fails_the_job(failed: Job) -> None:
    assert failed.run.returncode == 1
    assert failed.status()["state"] == "FAILED"


def test_the_status_has_the_traceback_of_the_rank_that_raised(failed: Job) -> None:
    status = failed.torchx("status", failed.handle)
    assert status.returncode == 0, status.stderr
    assert "FAILED" in status.stdout
    assert "RuntimeError: rank 3 was asked to fail" in status.stdout
    assert re.search(rf'File "{re.escape(str(SCRIPT))}", line \d+, in train\b', status.stdout)
    assert 'raise RuntimeError(f"rank {rank} was asked to fail")' in status.stdout


def test_the_job_s_own_error_is_the_one_of_the_rank_that_raised(failed: Job) -> None:
    """Not that of a rank which failed because its peer was gone."""
    assert "rank 3 was asked to fail" in failed.status()["structured_error_msg"]


def test_the_log_has_the_traceback_too(failed: Job) -> None:
    assert "RuntimeError: rank 3 was asked to fail" in failed.torchx("log", failed.handle).stdout
