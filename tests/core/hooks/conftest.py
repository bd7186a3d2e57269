"""A site folder for plugins, and a runner whose jobs run on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.plugins.conftest import site as site
from torchx.runner import Runner, get_runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.core.plugins.conftest import Site


@pytest.fixture
def runner(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """A runner that finds the plugins of the site folder when it is first used."""
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    with get_runner("hooks") as runner:
        yield runner
        for app in runner.list("local_cwd"):
            runner.cancel(app.app_handle)
