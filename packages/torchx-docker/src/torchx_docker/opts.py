"""Options of the ``local_docker`` scheduler; those of the image builder are added by it."""

from __future__ import annotations

from torchx.schedulers.structured_opts import StructuredOpts
from torchx.util.light_dataclass import dataclass


@dataclass
class Opts(StructuredOpts):
    """Options of ``local_docker``."""

    copy_env: list[str] | None = None
    """Variables of the submitting shell for all replicas, by name or pattern (FOO_*). Those of roles win."""

    env: dict[str, str] | None = None
    """Variables for all replicas (A:1,B:2). They win over those of roles."""

    privileged: bool = False
    """Give the containers all rights on this machine."""
