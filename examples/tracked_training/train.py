"""A small training job that records its settings, its metrics and its model, so that they can be found again later.

It fits a line to noisy points by gradient descent, in plain Python: what matters here is the tracking. Name a tracker
in ``.torchxconfig``::

    [torchx:tracker]
    fsspec = /tmp/runs

then run the job, and read what it recorded from any other shell::

    torchx run -s local_cwd utils.python --script train.py -- --epochs 20 --model_dir /tmp/models
    torchx tracker list jobs
    torchx tracker list metadata RUN_ID
    torchx tracker list artifacts RUN_ID

Without a tracker, or started by hand, it runs just the same and records nothing.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from torchx.tracker import app_run_from_env

Points = list[tuple[float, float]]


def make_points(count: int, seed: int) -> Points:
    """Points near the line ``y = 3x + 1``."""
    rng = random.Random(seed)
    xs = [rng.uniform(-1, 1) for _ in range(count)]
    return [(x, 3 * x + 1 + rng.gauss(0, 0.1)) for x in xs]


def step(points: Points, slope: float, offset: float, lr: float) -> tuple[float, float, float]:
    """One step of gradient descent; returns the new line and the mean squared error of the old one."""
    errors = [(x, slope * x + offset - y) for x, y in points]
    loss = sum(e * e for _, e in errors) / len(errors)
    slope -= lr * 2 * sum(e * x for x, e in errors) / len(errors)
    offset -= lr * 2 * sum(e for _, e in errors) / len(errors)
    return slope, offset, loss


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit a line to noisy points.")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--lr", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model_dir", type=Path, required=True, help="folder for the model")
    args = parser.parse_args()

    run = app_run_from_env()
    run.add_metadata(epochs=args.epochs, lr=args.lr, seed=args.seed)

    points = make_points(200, args.seed)
    slope = offset = loss = 0.0
    for epoch in range(args.epochs):
        slope, offset, loss = step(points, slope, offset, args.lr)
        run.add_metadata(epoch=epoch, loss=loss)
        print(f"epoch {epoch}: loss {loss:.4f}", flush=True)

    args.model_dir.mkdir(parents=True, exist_ok=True)
    model = args.model_dir / "model.json"
    model.write_text(json.dumps({"slope": slope, "offset": offset}))
    run.add_artifact("model", str(model), {"loss": loss, "format": "json"})
    run.add_metadata(final_loss=loss)


if __name__ == "__main__":
    main()
