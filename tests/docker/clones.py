"""Clones of a folder, as git makes them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def clone(source: Path, target: Path, umask: int | None = None) -> None:
    """Copies a folder, with times of its own.

    Args:
        source: the folder.
        target: the copy, which is not there yet.
        umask: of who clones: of the permissions only the owner's to execute is kept. By default all are kept.
    """
    shutil.copytree(source, target, symlinks=True, copy_function=shutil.copy)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            os.utime(path)
            if umask is not None:
                path.chmod((0o777 if path.stat().st_mode & 0o100 else 0o666) & ~umask)
