"""Completion in the real shells: each loads the script as its help says, and completes a command and an option."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pexpect
import pytest

if TYPE_CHECKING:
    from pathlib import Path

BIN = os.path.dirname(sys.executable)

LOAD = {
    "bash": "source {script}",
    "zsh": "fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D",
    "tcsh": "source {script}",
}
START = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "tcsh": ["-f"]}


@pytest.mark.parametrize("shell", LOAD)
def test_shell_completes(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    assert program is not None, f"{shell} is missing: run .ci/cluster-setup shells"
    script = tmp_path / "_torchx"  # the name that zsh looks for
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "TERM": "xterm", "HOME": str(tmp_path)}
    script.write_text(subprocess.run(["torchx", "completion", shell], env=env, capture_output=True, text=True).stdout)
    terminal = pexpect.spawn(
        program, [*START[shell], "-i"], env=env, encoding="utf-8", timeout=30, dimensions=(40, 150)
    )
    terminal.sendline(LOAD[shell].format(script=script, folder=tmp_path) + "; echo lo''aded")
    terminal.expect("loaded")
    # What the program gets shows what was completed, whatever the shell draws meanwhile.
    terminal.send("torchx sta\t--he\t\r")
    terminal.expect("usage: torchx status")
    terminal.sendline("exit")
    terminal.expect(pexpect.EOF)
