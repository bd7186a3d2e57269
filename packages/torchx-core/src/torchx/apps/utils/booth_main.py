"""Evaluates the Booth function, a usual test of optimizers: its minimum is 0 at (1, 3)."""

from __future__ import annotations

import argparse
import sys


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The arguments: ``x1``, ``x2``, ``trial_idx`` and ``tracker_base``."""
    parser = argparse.ArgumentParser(description="evaluate (x1 + 2 x2 - 7)^2 + (2 x1 + x2 - 5)^2 and keep the result")
    parser.add_argument("--x1", type=float, required=True, help="the first variable")
    parser.add_argument("--x2", type=float, required=True, help="the second variable")
    parser.add_argument("--trial_idx", type=int, default=0, help="the key under which the result is kept")
    parser.add_argument("--tracker_base", required=True, help="folder of the results, a path or a URI")
    return parser.parse_args(argv)


def booth(x1: float, x2: float) -> float:
    """The value of the function."""
    return (x1 + 2 * x2 - 7) ** 2 + (2 * x1 + x2 - 5) ** 2


def main(argv: list[str]) -> None:
    """Evaluates the function, prints the value, and keeps it as ``booth_eval`` under the trial's index."""
    from torchx.runtime.tracking import FsspecResultTracker

    args = parse_args(argv)
    value = booth(args.x1, args.x2)
    print(f"booth({args.x1}, {args.x2}) = {value}")
    FsspecResultTracker(args.tracker_base)[args.trial_idx] = {"booth_eval": value}


if __name__ == "__main__":
    main(sys.argv[1:])
