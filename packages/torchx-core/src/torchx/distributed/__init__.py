"""Ranks, devices and process groups for a script that ``torchrun`` (or ``dist.ddp``) started; it also runs alone.

Ranks are read from the default process group where there is one, else from the environment that ``torchrun`` sets; a
process that runs alone is rank 0 of 1. Devices and process groups need PyTorch, ranks do not.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torchx.errors import TorchXError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    import torch

__all__ = [
    "TorchMissingError",
    "has_cuda_devices",
    "init_pg",
    "is_local_rank0",
    "is_rank0",
    "local_cuda_device",
    "local_device",
    "local_rank",
    "on_local_rank0_first",
    "on_rank0_first",
    "rank",
    "world_size",
]


class TorchMissingError(TorchXError, ModuleNotFoundError):
    """PyTorch is not installed."""

    def __init__(self, message: str = "", *, name: str | None = None) -> None:
        super().__init__(message)
        self.name = name


def local_rank() -> int:
    """This process's number among those of its node, from ``$LOCAL_RANK``; 0 where it runs alone."""
    return _from_env("LOCAL_RANK", 0)


def rank() -> int:
    """This process's number among all of the job; 0 where it runs alone."""
    group = _default_group()
    return int(group.get_rank()) if group is not None else _from_env("RANK", 0)


def world_size() -> int:
    """How many processes the job has; 1 where this one runs alone."""
    group = _default_group()
    return int(group.get_world_size()) if group is not None else _from_env("WORLD_SIZE", 1)


def is_rank0() -> bool:
    """Whether this process is the first of the job."""
    return rank() == 0


def is_local_rank0() -> bool:
    """Whether this process is the first of its node."""
    return local_rank() == 0


def has_cuda_devices() -> bool:
    """Whether this process can use a CUDA device.

    Raises:
        TorchMissingError: PyTorch is not installed; so do all functions here that concern devices or groups.
    """
    torch = _torch()
    return bool(torch.cuda.is_available() and torch.cuda.device_count() > 0)


def local_cuda_device() -> torch.device:
    """The CUDA device of this process: the one with the number of its local rank.

    Raises:
        RuntimeError: there is no such device.
    """
    torch = _torch()
    index = local_rank()
    if not has_cuda_devices() or index >= torch.cuda.device_count():
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise RuntimeError(
            f"local rank {index} has no CUDA device: {count} on this node; start at most one process each"
        )
    return torch.device("cuda", index)


def local_device() -> torch.device:
    """The device of this process: that of the default process group's backend, else a CUDA device if there is one."""
    torch = _torch()
    group = _default_group()
    cuda = has_cuda_devices() if group is None else "nccl" in str(group.get_backend())
    return local_cuda_device() if cuda else torch.device("cpu")


def init_pg(backend: Literal["nccl", "gloo", "auto"] = "auto", **kwargs: Any) -> torch.device:
    """Makes the default process group; a process that runs alone gets a group of one.

    An existing default group is kept as it is.

    Args:
        backend: ``auto`` is ``nccl`` where there are CUDA devices, else ``gloo``.
        kwargs: passed on to ``torch.distributed.init_process_group``, such as ``timeout``.

    Returns:
        The device of this process; for ``nccl`` it has been made the current CUDA device.
    """
    torch = _torch()
    dist = torch.distributed
    if dist.is_initialized():
        return local_device()
    chosen = ("nccl" if has_cuda_devices() else "gloo") if backend == "auto" else backend
    device = local_cuda_device() if chosen == "nccl" else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_torchelastic_launched() and "RANK" not in os.environ and not _says_how_to_meet(kwargs):
        kwargs.update(store=dist.HashStore(), rank=0, world_size=1)
    dist.init_process_group(backend=chosen, **kwargs)
    return device


@contextmanager
def on_rank0_first() -> Iterator[None]:
    """The body runs on rank 0 first, then on all other processes at once.

    For work that only one process should do and the others then find done, such as a download to a shared folder.
    Needs the default process group where there is more than one process.
    """
    with _first(is_rank0()):
        yield


@contextmanager
def on_local_rank0_first() -> Iterator[None]:
    """The body runs on the first process of each node first, then on all other processes at once.

    For work that one process of a node should do, such as a download to a local disk. Needs the default process group
    where there is more than one process.
    """
    with _first(is_local_rank0()):
        yield


@contextmanager
def _first(leads: bool) -> Iterator[None]:
    if not leads:
        _barrier()
    try:
        yield
    finally:
        # Also after an error: the others would wait for ever.
        if leads:
            _barrier()


def _barrier() -> None:
    group = _default_group()
    if group is not None:
        device = local_device()
        group.barrier(device_ids=[device.index]) if device.type == "cuda" else group.barrier()
    elif world_size() > 1:
        raise RuntimeError("there is no process group to wait with: call torchx.distributed.init_pg() first")


def _torch() -> Any:
    try:
        import torch
        import torch.distributed
    except ModuleNotFoundError as e:
        if (e.name or "").partition(".")[0] != "torch":
            raise  # PyTorch is there, and lacks something itself
        # The fix stands in the message: a training script's traceback shows no hint.
        raise TorchMissingError(
            "torchx.distributed needs PyTorch for devices and process groups: pip install torch", name="torch"
        ) from e
    return torch


def _default_group() -> Any:
    """``torch.distributed`` where it has a default group; None also where PyTorch has not even been imported."""
    import sys

    dist = sys.modules.get("torch.distributed")
    if dist is None or not dist.is_available() or not dist.is_initialized():
        return None
    return dist


def _says_how_to_meet(kwargs: dict[str, Any]) -> bool:
    return any(kwargs.get(name) is not None for name in ("init_method", "store", "rank"))


def _from_env(name: str, default: int) -> int:
    value = os.environ.get(name)
    return int(value) if value else default
