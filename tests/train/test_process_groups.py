"""Process groups and devices, with PyTorch and real processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's own

ENV = {name: value for name, value in os.environ.items() if name not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}


def launch(code: str, *args: str, world: int) -> list[subprocess.CompletedProcess[str]]:
    """Runs one process a rank, as ``torchrun`` would, and returns them all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    replicas = []
    for rank in range(world):
        env = {**ENV, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
        env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        command = [sys.executable, "-c", code, *args]
        replicas.append(subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    done = []
    for replica in replicas:
        out, err = replica.communicate(timeout=180)
        done.append(subprocess.CompletedProcess(replica.args, replica.returncode, out, err))
    return done


def test_a_process_that_runs_alone_gets_a_group_of_one() -> None:
    code = """
from torchx.distributed import *
import torch, torch.distributed as dist
assert (rank(), world_size()) == (0, 1)
device = init_pg("gloo")
assert device == torch.device("cpu") == local_device()
assert dist.is_initialized() and dist.get_world_size() == 1
assert init_pg() == device  # the group that is there is kept
with on_rank0_first():
    pass
dist.destroy_process_group()
"""
    done = subprocess.run([sys.executable, "-c", code], env=ENV, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_processes_meet() -> None:
    code = """
from torchx.distributed import *
import torch, torch.distributed as dist, datetime
device = init_pg("gloo", timeout=datetime.timedelta(seconds=60))
total = torch.tensor([rank() + 1], device=device)
dist.all_reduce(total)
print(rank(), local_rank(), world_size(), int(total))
dist.destroy_process_group()
"""
    done = launch(code, world=3)
    assert [d.returncode for d in done] == [0, 0, 0], done
    assert [d.stdout for d in done] == [f"{rank} {rank} 3 6\n" for rank in range(3)]


@pytest.mark.parametrize("first", ["on_rank0_first", "on_local_rank0_first"])
def test_rank_0_goes_first(first: str, tmp_path: Path) -> None:
    code = f"""
import os, sys, time
import torchx.distributed as td, torch.distributed as dist
td.init_pg("gloo")
done = os.path.join(sys.argv[1], "done")
with td.{first}():
    if td.rank() == 0:
        time.sleep(0.5)  # the others would overtake
        open(done, "x").close()
    else:
        assert os.path.exists(done)
dist.destroy_process_group()
"""
    done = launch(code, str(tmp_path), world=3)
    assert [d.returncode for d in done] == [0, 0, 0], done


def test_an_error_on_rank_0_does_not_block_the_others() -> None:
    code = """
import torchx.distributed as td, torch.distributed as dist
td.init_pg("gloo")
with td.on_rank0_first():
    if td.rank() == 0:
        raise RuntimeError("no space left")
print("went on")
"""
    failed, other = launch(code, world=2)
    assert failed.returncode == 1
    assert "no space left" in failed.stderr
    assert other.stdout == "went on\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_cuda_device() -> None:
    code = """
import torchx.distributed as td, torch
assert not td.has_cuda_devices()
assert td.local_device() == torch.device("cpu")
assert td.init_pg() == torch.device("cpu")
td.local_cuda_device()
"""
    done = subprocess.run([sys.executable, "-c", code], env=ENV, capture_output=True, text=True)
    assert done.returncode == 1
    assert "RuntimeError: local rank 0 has no CUDA device: 0 on this node" in done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_with_a_cuda_device() -> None:
    code = """
import torchx.distributed as td, torch, torch.distributed as dist
assert td.has_cuda_devices()
assert td.local_device() == td.local_cuda_device() == torch.device("cuda", 0)
device = td.init_pg()
assert device == torch.device("cuda", 0) == td.local_device()
assert torch.cuda.current_device() == 0
assert dist.get_backend() == "nccl"
total = torch.ones(1, device=device)
dist.all_reduce(total)
assert total.item() == 1
with td.on_local_rank0_first():
    pass
dist.destroy_process_group()
"""
    done = subprocess.run([sys.executable, "-c", code], env=ENV, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
