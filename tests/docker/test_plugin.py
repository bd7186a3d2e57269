"""The distribution ``torchx-docker`` is installed, seen, and cheap to look at."""

from __future__ import annotations

from tests.backend_checks import EmptyBackendChecks


class TestPlugin(EmptyBackendChecks):
    name = "torchx-docker"
    schedulers = ("local_docker",)
