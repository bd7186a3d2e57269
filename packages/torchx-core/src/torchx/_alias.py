"""Documented module paths whose code lives in a backend's own distribution.

An alias file is the whole of, say, ``torchx/schedulers/slurm_scheduler.py``:

.. code-block:: python

    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from torchx_slurm.scheduler import *
    else:
        from torchx._alias import alias

        alias(__name__, target="torchx_slurm.scheduler", dist="torchx-slurm")
"""

from __future__ import annotations

import sys
from importlib import import_module

from torchx.errors import TorchXError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


class MissingBackendError(TorchXError, ModuleNotFoundError):
    """The distribution that a documented module path belongs to is not installed.

    Attributes:
        dist: the distribution to install.
    """

    def __init__(self, message: str = "", *, name: str | None = None, dist: str = "") -> None:
        from torchx.plugins._missing import install_hint

        super().__init__(message, hint=install_hint(dist))
        self.name = name
        self.dist = dist


def alias(name: str, *, target: str, dist: str) -> ModuleType:
    """Makes a module name stand for another module: ``sys.modules[name]`` becomes the target itself.

    So what is patched under one name is patched under both, and what is pickled refers to the real module.

    Args:
        name: the name that is being imported, the alias file's ``__name__``.
        target: the real module.
        dist: the distribution that has it.

    Returns:
        The real module.

    Raises:
        ModuleNotFoundError: the distribution is not installed. That alone is told so: a client package that the backend
            lacks, or an error in its code, is raised as it is.
    """
    try:
        module = import_module(target)
    except ModuleNotFoundError as error:
        from torchx.plugins._missing import PLANNED, install_hint

        if error.name != target.partition(".")[0] and not (dist in PLANNED and error.name == target):
            raise
        what = "a backend that is not there" if dist in PLANNED else f"the distribution {dist}, which is not installed"
        raise MissingBackendError(f"`{name}` needs {what}: {install_hint(dist)}", name=name, dist=dist) from error
    sys.modules[name] = module
    return module
