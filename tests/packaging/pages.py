"""Runs the blocks of one page as its reader would: in a folder of its own, with the commands that the page names."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from torchx.util.configfile import toml_loads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.packaging.blocks import Block

ROOT = Path(__file__).resolve().parents[2]
EXECUTED = {"python", "console", "ipython"}
"""Languages whose blocks are run."""

CHECKED = {"toml", "ini", "yaml", "json", "bash"}
"""Languages whose blocks are parsed."""


def run_page(
    name: str, blocks: Sequence[Block], tmp_path: Path, tools: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs blocks one after the other, in a process of their own.

    Args:
        name: the page, for messages.
        blocks: what to run.
        tmp_path: an empty folder; the page's current folder is ``home/project`` in it.
        tools: more commands that the page finds: name to a shell command.
    """
    folders = {name: tmp_path / name for name in ("home/project", "bin", "site", "run", "tmp")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    make_tools(folders["bin"], tools or {})
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TORCHX", "PYTEST", "COV"))}
    environment |= {
        "HOME": str(tmp_path / "home"),
        "PATH": os.pathsep.join([str(folders["bin"]), os.path.dirname(sys.executable), environment["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(folders["site"]), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DOCS_SITE": str(folders["site"]),
        "DOCS_TMP": str(folders["tmp"]),
        "DOCS_PROGRAM": str(folders["run"] / "page.py"),
        "EXAMPLES": str(ROOT / "examples"),
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        [sys.executable, str(ROOT / "tests/packaging/page_runner.py")],
        input=json.dumps({"page": name, "blocks": [vars(b) for b in blocks]}),
        cwd=folders["home/project"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def make_tools(folder: Path, tools: Mapping[str, str]) -> None:
    """``pip`` and ``python3`` as the pages call them, and other commands."""
    common = {"pip": f"{sys.executable} {ROOT}/tests/packaging/pip_install.py", "python3": sys.executable}
    for name, command in {**common, **tools}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (folder / name).chmod(0o755)


def check_form(block: Block) -> None:
    """Parses a block that is not run; fails where it is malformed."""
    if block.language == "toml":
        toml_loads(block.text)
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "yaml":
        assert list(yaml.safe_load_all(block.text))
    elif block.language == "ini":
        configparser.ConfigParser(allow_no_value=True, interpolation=None).read_string(block.text)
    elif block.language == "bash":
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
