"""Runs the blocks of one page as its reader would: in a folder of its own, with the commands that the page names."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import site
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

CHECKOUT = ("packages", "examples")
"""Folders of a checkout, which a page that names them expects in the current folder."""


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
    folders = {name: tmp_path / name for name in ("home/project", "bin", "run", "tmp")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    for folder_name in CHECKOUT:
        if any(block.language == "console" and f"{folder_name}/" in block.text for block in blocks):
            (folders["home/project"] / folder_name).symlink_to(ROOT / folder_name)
    python = make_environment(tmp_path / "venv")
    make_tools(folders["bin"], python, tools or {})
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TORCHX", "PYTEST", "COV"))}
    environment |= {
        "HOME": str(tmp_path / "home"),
        "PATH": os.pathsep.join(
            [str(folders["bin"]), str(python.parent), os.path.dirname(sys.executable), environment["PATH"]]
        ),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DOCS_TMP": str(folders["tmp"]),
        "DOCS_PROGRAM": str(folders["run"] / "page.py"),
        "UV_CACHE_DIR": uv("cache", "dir").strip(),  # another home must not mean that all is downloaded again
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        [str(python), str(ROOT / "tests/packaging/page_runner.py")],
        input=json.dumps({"page": name, "blocks": [vars(b) for b in blocks]}),
        cwd=folders["home/project"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def make_environment(folder: Path) -> Path:
    """A virtual environment in which everything of this one is there, and into which a page can install.

    Returns:
        its interpreter.
    """
    uv("venv", "--quiet", "--python", sys.executable, str(folder))
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    outer = "".join(f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages())
    (packages / "outer.pth").write_text(outer)
    program = Path(sys.executable).with_name("torchx").read_text().splitlines(keepends=True)
    (python.parent / "torchx").write_text("".join([f"#!{python}\n", *program[1:]]))
    (python.parent / "torchx").chmod(0o755)
    return python


def make_tools(folder: Path, python: Path, tools: Mapping[str, str]) -> None:
    """``pip`` and ``python3`` as the pages call them, and other commands."""
    common = {"pip": f"{python} {ROOT}/tests/packaging/pip_install.py", "python3": str(python)}
    for name, command in {**common, **tools}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (folder / name).chmod(0o755)


def uv(*args: str) -> str:
    """Runs uv; what it prints."""
    found = shutil.which("uv", path=os.path.dirname(sys.executable)) or shutil.which("uv")
    assert found, "the pages of the documentation are tested with uv"
    return subprocess.run([found, *args], capture_output=True, text=True, timeout=60, check=True).stdout


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
