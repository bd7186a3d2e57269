"""What a killed ``schedule`` or ``delete`` has left is cleared away, later and by whoever lists the jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from torchx.schedulers._local import leftovers, proctree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.local.kit import Jobs

KILLED_WHILE_REMOVING = """
import os, shutil, sys
from torchx.schedulers._local.store import Store
shutil.rmtree = lambda path: os.kill(os.getpid(), 9)
Store().remove(sys.argv[1])
"""
KILLED_WHILE_MAKING = """
import os
from torchx.schedulers._local import proctree
from torchx.schedulers._local.store import Store, hostname
os.rename = os.rename if {whole} else lambda *_: os.kill(os.getpid(), 9)
Store._check_space = lambda *_: os.kill(os.getpid(), 9)
Store().create(dict(app_id="job", roles=[], host=hostname(), submitter=proctree.identity(os.getpid())))
"""


def killed(program: str, *args: str) -> None:
    done = subprocess.run([sys.executable, "-c", program, *args], timeout=60, check=False)
    assert done.returncode == -9


@pytest.fixture
def hours_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of who clears away goes two hours fast."""
    real = time.time
    monkeypatch.setattr(f"{leftovers.__name__}.time.time", lambda: real() + 7200)


def halves(home: Path) -> list[str]:
    """The names of half jobs, without what is random in them."""
    return sorted(name[:5] for name in os.listdir(home / "local") if name.startswith("."))


@pytest.fixture
def left(jobs: Jobs, home: Path) -> list[str]:
    """A job, and what a killed ``delete`` and two killed ``schedule`` have left; the job's and the other's ids."""
    from tests.core.local.kit import shell

    ids = [jobs.submit(shell("exit 0")) for _ in range(2)]
    for app_id in ids:
        jobs.wait(app_id)
    killed(KILLED_WHILE_REMOVING, ids[1])
    for whole in (False, True):
        killed(KILLED_WHILE_MAKING.format(whole=whole))
    assert halves(home) == [".gone", ".new-", ".new-"]
    return ids


def listed(jobs: Jobs) -> list[str]:
    return [app.app_id for app in jobs.scheduler.list()]


def test_half_jobs_are_not_listed_and_stay_while_they_are_fresh(jobs: Jobs, left: list[str], home: Path) -> None:
    assert listed(jobs) == left[:1]
    assert halves(home) == [".gone", ".new-", ".new-"]


@pytest.mark.usefixtures("hours_later")
def test_stale_half_jobs_are_cleared_when_jobs_are_listed(jobs: Jobs, left: list[str], home: Path) -> None:
    assert listed(jobs) == left[:1]
    assert halves(home) == []
    assert listed(jobs) == left[:1]


@pytest.mark.usefixtures("hours_later")
@pytest.mark.parametrize("owner", ["alive", "on another host"])
def test_what_may_be_in_use_stays(jobs: Jobs, left: list[str], home: Path, owner: str) -> None:
    host = os.uname().nodename if owner == "alive" else "elsewhere"
    submitter = proctree.identity(os.getpid()) if owner == "alive" else [1, "0"]
    draft = home / "local" / ".new-slow-x"
    draft.mkdir()
    (draft / "request.json").write_text(json.dumps({"host": host, "submitter": submitter, "roles": []}))
    assert listed(jobs) == left[:1]
    assert halves(home) == [".new-"]


@pytest.mark.usefixtures("hours_later")
def test_nothing_else_is_touched(jobs: Jobs, left: list[str], home: Path, tmp_path: Path) -> None:
    (home / "local" / ".new-file").write_text("a user's")
    (home / "local" / ".mine").mkdir()
    (tmp_path / "precious").mkdir()
    (home / "local" / ".gone-link").symlink_to(tmp_path / "precious")
    assert listed(jobs) == left[:1]
    assert sorted(os.listdir(home / "local")) == sorted([".gone-link", ".mine", ".new-file", left[0]])
    assert (tmp_path / "precious").is_dir()
