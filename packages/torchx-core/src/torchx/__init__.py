"""Universal job launcher: describe a job once as an ``AppDef``, run it on any cluster.

``torchx.specs`` describes jobs, ``torchx.runner`` submits and watches them, ``torchx.plugins`` brings all else in.
"""

from __future__ import annotations

from torchx.version import __version__

__all__ = ["IMAGE", "__version__"]


def __getattr__(name: str) -> str:
    # Read on first use, not at import: importing the package must not depend on the environment.
    if name == "IMAGE":
        import os

        from torchx.settings import ENV_TORCHX_IMAGE
        from torchx.version import TORCHX_IMAGE

        return os.environ.get(ENV_TORCHX_IMAGE) or TORCHX_IMAGE
    raise AttributeError(f"module 'torchx' has no attribute {name!r}")
