"""``python -m bench [NAME ...]``: prints a table of ratios; exit status 1 where one is over its target."""

from __future__ import annotations

import importlib
import sys

NAMES = ("startup", "replicas", "logs", "many_jobs", "workspace", "slurm", "images", "docker")


def main(names: list[str]) -> int:
    """Runs the named benchmarks, all by default."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"error: no benchmark is named {', '.join(unknown)}\nhint: there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    over = 0
    for name in names or NAMES:
        print(f"{name}:", flush=True)
        for row in importlib.import_module(f"bench.{name}").run():
            print(f"  {row}", flush=True)
            over += row.ratio > row.target
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
