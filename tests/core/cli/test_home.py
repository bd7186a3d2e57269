"""A user without a home folder: a container's user that is a mere number, in a container that sets no ``HOME``."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest

from torchx.errors import UsageError
from torchx.schedulers.batch.registry import Registry
from torchx.specs import TORCHX_HOME

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.cli.support import Cli, FarJobs


@pytest.fixture(autouse=True)
def no_home(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing tells where the home folder is."""

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("TORCHX_HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.parametrize(
    "argv",
    [["run", "utils.echo"], ["list"], ["status", "local_cwd://torchx/a"], ["log", "local_cwd://torchx/a"]],
    ids=lambda argv: argv[0],
)
def test_what_needs_a_home_says_how_to_set_one(cli: Cli, workdir: Path, argv: list[str]) -> None:
    done = cli(*argv)
    assert (done.code, done.out) == (2, "")
    assert done.error == "no home folder is known, so `~/.torchx` can't be found"
    assert done.hint == "set HOME or TORCHX_HOME"
    assert os.listdir(workdir) == []


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["runopts"],
        ["builtins"],
        ["run", "--help"],
        ["run", "-s", "far", "-cfg", "queue=q", "--dryrun", "utils.echo"],
        ["list", "-s", "far"],
    ],
    ids=" ".join,
)
def test_what_needs_no_home_works(cli: Cli, far: FarJobs, workdir: Path, argv: list[str]) -> None:
    done = cli(*argv)
    assert (done.code, done.err) == (0, "")
    assert os.listdir(workdir) == []


def test_torchx_home_is_enough(cli: Cli, workdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "state"))
    assert cli("run", "utils.echo").code == 0
    assert len(cli("list").lines) == 1
    assert os.listdir(workdir) == []


@pytest.mark.parametrize("named", [None, "~/jobs", "~nobody-of-that-name/jobs"])
def test_no_folder_is_called_after_a_tilde(monkeypatch: pytest.MonkeyPatch, named: str | None) -> None:
    if named:
        monkeypatch.setenv("TORCHX_HOME", named)
    for ask in (TORCHX_HOME, lambda: Registry("slurm").root):
        with pytest.raises(UsageError, match="no home folder is known") as caught:
            ask()
        assert caught.value.hint == "set HOME or TORCHX_HOME"
