"""A command run in this process or as a real one, and plugins to run it with."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.cli.support import TORCHX, Cli, FarJobs, Outcome, Site
from tests.installed import forget_modules
from torchx.cli.main import main
from torchx.plugins.manager import reset_plugin_manager

if TYPE_CHECKING:
    from collections.abc import Iterator

FAR_SCHEDULER = Path(__file__).parent / "far_scheduler.py"


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder and home, and no settings from outside."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for name in [n for n in os.environ if n.startswith("TORCHX")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "torchx_home"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    reset_plugin_manager()
    yield work
    reset_plugin_manager()


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command in this process."""

    def run(*argv: str, stdin: str | None = None) -> Outcome:
        reset_plugin_manager()
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capfd.readouterr()
        code: Any = 0
        try:
            main(list(argv))
        except SystemExit as ended:
            code = ended.code or 0
        captured = capfd.readouterr()
        assert isinstance(code, int), code
        return Outcome(code=code, out=captured.out, err=captured.err)

    return run


@pytest.fixture
def torchx() -> Cli:
    """Runs a command as a process of its own."""

    def run(*argv: str, **options: Any) -> Outcome:
        done = subprocess.run([*TORCHX, *argv], capture_output=True, text=True, timeout=60, check=False, **options)
        return Outcome(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


@pytest.fixture
def site(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty folder of installed distributions."""
    # A thread of an earlier test may have imported something after that test's end.
    forget_modules(tmp_path_factory.getbasetemp())
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))))
    yield Site(folder)
    forget_modules(folder)


@pytest.fixture
def far(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FarJobs:
    """A scheduler ``far`` that is not on this machine, installed as a user's would be."""
    jobs = tmp_path / "far_jobs"
    jobs.mkdir()
    monkeypatch.setenv("FAR_JOBS", str(jobs))
    site.add(
        "acme-far",
        version="2.5",
        modules={"acme_far": FAR_SCHEDULER.read_text()},
        entry_points={"torchx.schedulers": {"far": "acme_far:create_scheduler"}},
    )
    return FarJobs(jobs)
