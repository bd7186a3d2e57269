"""Slurm's commands with something around them: calls are counted, answers get lost."""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING

from tests.cluster.slurm.cluster import PATH

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "srun", "sinfo")


class WrappedCommands:
    """A folder with a program for each of Slurm's commands, which notes each call and then runs the real one.

    Args:
        folder: an empty folder, which has to be put before the others in ``PATH``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "calls"
        self.restore()

    def calls(self, command: str) -> list[str]:
        """The calls of a command so far, arguments and all."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.split(" ", 1)[0] == command]

    def forget(self) -> None:
        """Counts from zero."""
        self.log.unlink(missing_ok=True)

    def replace(self, command: str, code: str) -> None:
        """Puts shell code in a command's place; ``$real "$@"`` runs the command itself."""
        real = shutil.which(command, path=PATH)
        assert real is not None, command
        note = f"""printf '%s\\n' {command}" $(printf '%s ' "$@" | tr '\\n' ' ')" >>{shlex.quote(str(self.log))}"""
        path = self.folder / command
        # Jobs inherit the PATH of their submission.
        inside = '[ -n "$SLURM_JOB_ID" ] && exec "$real" "$@"'
        path.with_suffix(".new").write_text(f"#!/bin/sh\nreal={shlex.quote(real)}\n{inside}\n{note}\n{code}\n")
        path.with_suffix(".new").chmod(0o755)
        os.replace(path.with_suffix(".new"), path)  # one that runs now keeps the old text

    def restore(self) -> None:
        """All commands do what they should again."""
        for command in COMMANDS:
            self.replace(command, 'exec "$real" "$@"')
