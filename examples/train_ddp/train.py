"""Trains a small network on several processes with PyTorch's DistributedDataParallel.

It needs no GPU and no data set: the data is made by the script, the processes talk over gloo. Run it by itself, ::

    python train.py

or launched, with two nodes of two processes each, on this machine::

    torchx run -s local_cwd dist.ddp -j 2x2 --script train.py

The model is saved after every epoch, where the first line of rank 0 says; ``-- --checkpoint FILE`` chooses another
place, from which a later job goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.elastic.multiprocessing.errors import record
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a small network on data made by the script.")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the data")
    parser.add_argument("--samples", type=int, default=2048, help="samples in the data set, over all ranks")
    parser.add_argument("--batch-size", type=int, default=64, help="samples in a batch of one rank")
    parser.add_argument("--lr", type=float, default=0.01, help="learning rate")
    parser.add_argument("--seed", type=int, default=0, help="seed of the data, the weights and the shuffling")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=default_checkpoint(),
        help="file to save the model to after every epoch, and to resume from (default: %(default)s)",
    )
    parser.add_argument("--fail-rank", type=int, help="rank that raises an error after the first epoch, to see one")
    return parser.parse_args(argv)


def default_checkpoint() -> Path:
    """A file of this job's own in the folder for temporary files: where the job is started again, it goes on."""
    job = os.environ.get("TORCHX_JOB_ID", f"process-{os.getpid()}").rpartition("/")[2]
    return Path(tempfile.gettempdir()) / "train_ddp" / f"{job}.pt"


def make_data(samples: int, seed: int) -> TensorDataset:
    """Points of the plane and a smooth function of them, with a little noise: the same on every rank."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(samples, 2, generator=generator) * 4 - 2
    y = torch.sin(2 * x[:, :1]) * torch.cos(x[:, 1:]) + 0.01 * torch.randn(samples, 1, generator=generator)
    return TensorDataset(x, y)


def make_model() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))


def train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: DataLoader[tuple[torch.Tensor, ...]]
) -> float:
    """One pass over this rank's share of the data.

    Returns:
        The mean loss over the batches of all ranks.
    """
    total = torch.zeros(2)  # the losses' sum, and their number
    for x, y in batches:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()  # averages the gradients over the ranks
        optimizer.step()
        total += torch.tensor([loss.item(), 1.0])
    dist.all_reduce(total)
    return float(total[0] / total[1])


def save(path: Path, epoch: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write a checkpoint that is either there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        torch.save({"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    os.replace(file.name, path)


def resume(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load a checkpoint.

    Returns:
        The epoch to go on with.
    """
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    return int(checkpoint["epoch"]) + 1


def say(line: str) -> None:
    """Print a line in one write, so that the lines of ranks that share an output stay whole."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def train(args: argparse.Namespace) -> None:
    rank, world_size = dist.get_rank(), dist.get_world_size()
    say(f"rank {rank} of {world_size} has joined")
    if rank == 0:
        say(f"checkpoint: {args.checkpoint}")
    torch.manual_seed(args.seed)
    model = DistributedDataParallel(make_model())
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    data = make_data(args.samples, args.seed)
    sampler: DistributedSampler[tuple[torch.Tensor, ...]] = DistributedSampler(data, seed=args.seed)
    batches = DataLoader(data, batch_size=args.batch_size, sampler=sampler)

    # Every rank reads the checkpoint: on several machines it has to be on a file system that they share.
    start = resume(args.checkpoint, model.module, optimizer) if args.checkpoint.exists() else 0
    for epoch in range(start, args.epochs):
        sampler.set_epoch(epoch)
        loss = train_epoch(model, optimizer, batches)
        say(f"rank {rank} epoch {epoch} loss {loss:.6f}")
        if rank == 0:
            save(args.checkpoint, epoch, model.module, optimizer)
        if rank == args.fail_rank:
            raise RuntimeError(f"rank {rank} was asked to fail")


def init_process_group() -> None:
    """Meet the other ranks, as the launcher's environment says; without a launcher, be the only one."""
    torch.set_num_threads(1)  # the processes share this machine's cores
    if dist.is_torchelastic_launched():
        dist.init_process_group("gloo")
    else:
        dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())


@record  # leaves an error, with its traceback, where the launcher finds it
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    init_process_group()
    train(args)
    # Not after an error: the others would fail at once over the closed connection, before this error is on record.
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
