"""The folder in which TorchX keeps its state."""

from __future__ import annotations

import os

from torchx.errors import UsageError

ENV_TORCHX_HOME = "TORCHX_HOME"


def torchx_home(*parts: str) -> str:
    """``$TORCHX_HOME``, or ``~/.torchx``, as an absolute path; it is not created.

    Args:
        parts: joined to the folder.

    Raises:
        UsageError: it begins with a home folder that is not known. A container whose user is a mere number and that
            sets no ``HOME`` has none, and a folder that is called ``~`` is nobody's wish.
    """
    named = os.environ.get(ENV_TORCHX_HOME) or os.path.join("~", ".torchx")
    path = os.path.expanduser(named)
    if path.startswith("~"):
        raise UsageError(f"no home folder is known, so `{named}` can't be found", hint=f"set HOME or {ENV_TORCHX_HOME}")
    return os.path.abspath(os.path.join(path, *parts))


def user_home() -> str | None:
    """The user's home folder; None where there is none."""
    path = os.path.expanduser("~")
    return None if path.startswith("~") else path
