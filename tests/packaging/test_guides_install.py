"""What the how-to guides build is installed by a real installer, and passes the conformance suites there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.packaging.blocks import read_blocks
from tests.packaging.built import ROOT, Built, Environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GUIDES = {"write_a_scheduler", "write_a_workspace", "write_a_tracker", "write_a_component", "write_a_command"}


@pytest.fixture(scope="module")
def environment(built: Built, new_environment: Callable[..., Environment]) -> Environment:
    """An author's environment: the wheel of torchx-core with pytest, and nothing of this repository."""
    return new_environment(f"{built.wheel('torchx-core')}[testing]")


@pytest.mark.parametrize("guide", sorted(GUIDES))
def test_what_a_guide_builds_installs_and_conforms(environment: Environment, tmp_path: Path, guide: str) -> None:
    for block in read_blocks(ROOT / "docs" / "how-to" / f"{guide}.md"):
        if block.path and block.path.endswith((".py", ".toml")):
            (tmp_path / block.path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.path).write_text(block.text)
    if (tmp_path / "my_jobs.py").exists():
        shutil.move(tmp_path / "my_jobs.py", tmp_path / "acme_torchx")
    if (tmp_path / "pyproject.toml").exists():
        environment.install("-e", str(tmp_path))
    tests = sorted(str(path) for path in tmp_path.glob("test_*.py"))
    done = environment.run(str(environment.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = environment.torchx("plugins").stdout
    assert "failed" not in listed
