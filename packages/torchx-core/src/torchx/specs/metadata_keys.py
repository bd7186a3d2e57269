"""Keys that TorchX writes into the metadata of an app, for tools that read it back from a scheduler."""

from __future__ import annotations

TORCHX_CONTEXT_NAME = "TORCHX_CONTEXT_NAME"
"""Name of the environment variable that says from where a job was launched (``ci``, ``notebook``, ...)."""

NA = "<<NA>>"
"""Stands for a metadata value that is not available."""


class app_metadata:
    """Keys of :py:attr:`AppDef.metadata <torchx.specs.AppDef.metadata>` that TorchX itself sets."""

    CONTEXT = "torchx/context"
    """From where the job was launched: the value of ``$TORCHX_CONTEXT_NAME``."""

    VERSION = "torchx/version"
    """The version of torchx-core that submitted the job."""

    SCHEDULER = "torchx/scheduler"
    """The scheduler that the job was submitted to."""

    ROLES_PREFIX = "torchx/roles."
    """Prefix of keys that describe one role."""
