"""Files on a login node, of more replicas than there is room for on a command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from torchx.schedulers.batch.commands import SshCommands
from torchx.schedulers.batch.jobfiles import RemoteJobFiles
from torchx.schedulers.batch.logs import RemoteLogs

if TYPE_CHECKING:
    from pathlib import Path

SSH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
exec sh -c "$3"
"""
REPLICAS = 8000
"""Linux takes 128 KiB for an argument: that much is needed for the names of 2,000."""

STRANGE = " it's $HOME `x`\\n \u00fc -n /stdout.log "


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshCommands:
    """A login node that is this machine."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text(SSH)
    (tmp_path / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return SshCommands("login")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job's folder, with the output of every second replica."""
    folder = tmp_path / "a job"
    for k in range(0, REPLICAS, 2):
        (folder / str(k)).mkdir(parents=True)
        (folder / str(k) / "stdout.log").write_text(f"{k}\n")
    return folder


def test_files_of_many_replicas_are_read(login: SshCommands, folder: Path) -> None:
    strange = f"{STRANGE}\nsecond line"
    (folder / strange).parent.mkdir()
    (folder / strange).write_text("found")
    names = [f"./././././{k}/stdout.log" for k in range(REPLICAS)]
    found = RemoteJobFiles(login).read(str(folder), [*names, strange])
    expected = {f"./././././{k}/stdout.log": b"%d\n" % k for k in range(0, REPLICAS, 2)}
    assert found == {**expected, strange: b"found"}
    assert RemoteJobFiles(login).read(str(folder), []) == {}
    assert RemoteJobFiles(login).read(str(folder / "gone"), names) == {}


def test_logs_of_many_replicas_are_followed(login: SshCommands, folder: Path) -> None:
    logs = RemoteLogs(login)
    paths = [str(folder / str(k) / "stdout.log") for k in range(REPLICAS)]
    (folder / STRANGE).parent.mkdir()
    (folder / STRANGE).write_text("strange\n")
    paths.append(str(folder / STRANGE))
    sources = {path: logs.source(path, lambda: False) for path in paths}
    text = {path: source.read(None, 1000).data for path, source in sources.items()}
    expected = {path: b"" if k % 2 else b"%d\n" % k for k, path in enumerate(paths[:-1])}
    assert text == {**expected, paths[-1]: b"strange\n"}
    with (folder / "0" / "stdout.log").open("a") as file:
        file.write("more\n")
    logs.hurry()
    assert sources[paths[0]].read(None, 3).data == b"mor"
    assert sources[paths[0]].read(None, 3).data == b"e\n"
