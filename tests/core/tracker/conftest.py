"""A clean environment, stores on several file systems, and a tracker plugin that is installed as a user's would be."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.core.plugins.conftest import Site
from tests.installed import forget_modules
from torchx.plugins.manager import reset_plugin_manager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACME_TRACKER = """
def create(config):
    if config == "refused":
        raise ValueError("config is refused")
    from torchx.tracker.backend.fsspec import create
    return create(config)
"""


@pytest.fixture(autouse=True)
def outside_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of a job is set."""
    for name in [name for name in os.environ if name.startswith("TORCHX_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an installed tracker; ``acme_broken`` is one that cannot be imported."""
    site = tmp_path / "site"
    points = {"acme": "acme_tracking:create", "acme_broken": "acme_missing:create"}
    Site(site).dist("acme-tracking", groups={"torchx.tracker": points}, files={"acme_tracking.py": ACME_TRACKER})
    monkeypatch.syspath_prepend(site)
    reset_plugin_manager()
    yield "acme"
    forget_modules(site)
    reset_plugin_manager()


@pytest.fixture(
    params=[
        pytest.param("{tmp}/runs", id="path"),
        pytest.param("file://{tmp}/new/runs/", id="file-url"),
        pytest.param("{tmp}/odd [1] * 100% ünï", id="odd-path"),
        pytest.param("memory://{unique}/runs", id="memory"),
        pytest.param("dir::file://{tmp}/chained", id="chained"),
        pytest.param("simplecache::memory://{unique}", id="simplecache"),
        pytest.param("filecache::file://{tmp}/cached", id="filecache"),
        pytest.param("local://{tmp}/local", id="local"),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a tracker keeps its runs; the place does not exist yet."""
    return str(request.param).format(tmp=tmp_path, unique=uuid.uuid4().hex)
