"""The command line and a runner, with a tracker, a scheduler and plugins that all know secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.cli.conftest import cli as cli
from tests.core.cli.conftest import site as site
from tests.core.cli.conftest import torchx as torchx
from tests.core.cli.conftest import workdir as workdir
from tests.core.secrets.canaries import PLUGIN, TRACKER, VAULT
from torchx.runner import get_runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.core.cli.support import Site
    from torchx.runner import Runner


@pytest.fixture(autouse=True)
def records(site: Site, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the plugins and configures the tracker; the file that the event handler's records go to."""
    site.add(
        "acme",
        modules={"acme_plugin": PLUGIN, "acme_vault": VAULT},
        entry_points={"torchx.plugins": {"acme": "acme_plugin"}},
    )
    # Port 1 of this machine: nobody answers.
    config = f"[torchx:tracker]\nfsspec =\n[tracker:fsspec]\nconfig = ftp://me:{TRACKER}@127.0.0.1:1/runs\n"
    (workdir / ".torchxconfig").write_text(config)
    file = workdir.parent / "records"
    monkeypatch.setenv("RECORDS", str(file))
    return file


@pytest.fixture
def received(tmp_path: Path) -> Path:
    """The folder where the job keeps what it was given."""
    folder = tmp_path / "received"
    folder.mkdir()
    return folder


@pytest.fixture
def runner(records: Path) -> Iterator[Runner]:
    """A runner that finds all of that."""
    with get_runner("s") as runner:
        yield runner
        for scheduler in ("local_cwd", "vault"):
            for app in runner.list(scheduler):
                runner.cancel(app.app_handle)
