"""The distribution ``torchx-slurm`` is installed, seen, and cheap to look at."""

from __future__ import annotations

from tests.backend_checks import EmptyBackendChecks


class TestPlugin(EmptyBackendChecks):
    name = "torchx-slurm"
    schedulers = ("slurm",)
