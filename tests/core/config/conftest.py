"""Folders with configuration, and a scheduler plugin that is installed the way a user's would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.plugins.conftest import Site
from tests.installed import forget_modules
from torchx.plugins.manager import reset_plugin_manager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACME_SCHEDULER = """
from torchx.schedulers.api import Scheduler
from torchx.specs import runopts


class AcmeScheduler(Scheduler):
    def __init__(self, session_name):
        super().__init__("acme", session_name)

    def _run_opts(self):
        opts = runopts()
        opts.add("queue", type_=str, required=True, help="queue to submit to")
        opts.add("job_name", type_=str, default="job", help="name of the job")
        opts.add("cores", type_=int, default=4, help="cores of a replica")
        opts.add("share", type_=float, default=0.5, help="share of a core")
        opts.add("quiet", type_=bool, default=False, help="say less")
        opts.add("tags", type_=list[str], default=["a", "b,c"], help="tags of the job")
        opts.add("env", type_=dict[str, str], default={"HOST": "a:80"}, help="variables")
        opts.add("account", type_=str, help="account to bill")
        opts.add("prologue", type_=str, default="first\\nsecond = 2", help="what runs\\nbefore")
        return opts

    def _submit_dryrun(self, app, cfg): raise NotImplementedError
    def schedule(self, dryrun_info): raise NotImplementedError
    def describe(self, app_id): return None
    def list(self, cfg=None): return []
    def _cancel_existing(self, app_id): raise NotImplementedError


def create_scheduler(session_name, **kwargs):
    return AcmeScheduler(session_name)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder, empty; no variable names another configuration."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("TORCHXCONFIG", "TORCHX_TRACKERS", "TORCHX_TRACKER_FSSPEC_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an installed scheduler that has an option of each type."""
    site = tmp_path / "site"
    points = {"acme": "acme_torchx:create_scheduler"}
    Site(site).dist("acme-torchx", groups={"torchx.schedulers": points}, files={"acme_torchx.py": ACME_SCHEDULER})
    monkeypatch.syspath_prepend(site)
    reset_plugin_manager()
    yield "acme"
    forget_modules(site)
    reset_plugin_manager()
