"""The version of torchx-core and the default image of the built-in components."""

from __future__ import annotations

__version__ = "0.1.0"

TORCHX_IMAGE = "ghcr.io/pytorch/torchx:2026.10.26"
