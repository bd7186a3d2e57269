"""Ranks without PyTorch: from the environment, or those of a process that runs alone."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from torchx import distributed

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "torch.distributed", None)


def test_a_process_that_runs_alone_is_rank_0_of_1() -> None:
    assert (distributed.rank(), distributed.local_rank(), distributed.world_size()) == (0, 0, 1)
    assert distributed.is_rank0()
    assert distributed.is_local_rank0()


@pytest.mark.parametrize(
    ("rank", "local_rank", "first", "first_of_node"),
    [(0, 0, True, True), (1, 1, False, False), (2, 0, False, True)],
)
def test_ranks_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, rank: int, local_rank: int, first: bool, first_of_node: bool
) -> None:
    for name, value in {"RANK": rank, "LOCAL_RANK": local_rank, "WORLD_SIZE": 4}.items():
        monkeypatch.setenv(name, str(value))
    assert (distributed.rank(), distributed.local_rank(), distributed.world_size()) == (rank, local_rank, 4)
    assert distributed.is_rank0() is first
    assert distributed.is_local_rank0() is first_of_node


def test_alone_the_bodies_just_run() -> None:
    done = []
    with distributed.on_rank0_first():
        done.append(1)
    with distributed.on_local_rank0_first():
        done.append(2)
    assert done == [1, 2]


def test_several_processes_without_a_group_cannot_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match="init_pg"), distributed.on_rank0_first():
        pass


def test_ranks_do_not_import_pytorch() -> None:
    code = "import sys; from torchx.distributed import *; rank(), world_size(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    "use",
    [
        distributed.has_cuda_devices,
        distributed.local_cuda_device,
        distributed.local_device,
        distributed.init_pg,
    ],
    ids=lambda use: use.__name__,
)
def test_without_pytorch_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, use: Callable[[], object]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(distributed.TorchMissingError, match=r"needs PyTorch.*pip install torch") as caught:
        use()
    assert isinstance(caught.value, ModuleNotFoundError)
    assert caught.value.name == "torch"
