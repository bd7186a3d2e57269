"""The training script of ``examples/`` on two containers that find each other by name."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.docker.engine import Client, EngineProcess

SCRIPT = Path(__file__).parents[3] / "examples" / "train_ddp" / "train.py"
TIMEOUT = 300
"""Seconds for one command: two processes import torch on a busy machine."""

LINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"}


@pytest.fixture(scope="module")
def host_links(docker_clients: list[Client], docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with nothing but links into ``/usr``, which is this machine's, mounted: it has Python's libraries."""
    archive = tmp_path_factory.mktemp("image") / "links.tar"
    with tarfile.open(archive, "w") as tar:
        for name, target in LINKS.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
        passwd = tarfile.TarInfo("etc/passwd")
        passwd.size = len(b"root:x:0:0::/:/bin/sh\n")
        tar.addfile(passwd, io.BytesIO(b"root:x:0:0::/:/bin/sh\n"))
    docker_clients[0].run(docker_host, "import", str(archive), "links:1").check_returncode()
    return "links:1"


@pytest.fixture
def run(docker: EngineProcess, host_links: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ddp]:
    assert importlib.util.find_spec("torch"), "this test trains with PyTorch: run it with `tox -e cluster`"
    # Compiles it, which the containers can't keep: their folders are read-only.
    imports = "import numpy, torch.distributed.run, torch.nn.parallel, torch.utils.data"
    subprocess.run([sys.executable, "-c", imports], check=True, timeout=TIMEOUT)
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    monkeypatch.setenv("TORCHXCONFIG", "")
    yield Ddp(host_links, tmp_path)


class Ddp:
    """Runs the script on two nodes of one process each."""

    def __init__(self, image: str, folder: Path) -> None:
        self._image = image
        self.out = folder

    def __call__(self, *script_args: str) -> subprocess.CompletedProcess[str]:
        shown = {"/usr", sys.base_prefix, sys.prefix, str(SCRIPT.parent)}
        mounts = [f"type=bind,src={path},dst={path},readonly" for path in sorted(shown)]
        mounts.append(f"type=bind,src={self.out},dst=/out")
        path = f"{sys.prefix}/bin:/usr/bin:/bin"
        return torchx(
            *("run", "-s", "local_docker", "--workspace", "", "--wait", "--log"),
            *("dist.ddp", "-j", "2x1", "--image", self._image, "--memMB", "4096", "--script", str(SCRIPT)),
            *("--env", f"PATH={path},OMP_NUM_THREADS=1", "--mounts", ",".join(mounts), "--", *script_args),
        )


def torchx(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torchx", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False, env=dict(os.environ))


def test_two_containers_train_one_model(run: Ddp) -> None:
    done = run("--epochs", "3", "--checkpoint", "/out/ddp.pt")
    assert done.returncode == 0, done.stderr
    log = done.stdout + done.stderr
    joined = re.findall(r"^train/(\d) .*rank (\d) of (\d) has joined", log, re.MULTILINE)
    assert sorted(joined) == [("0", "0", "2"), ("1", "1", "2")] or sorted(joined) == [("0", "1", "2"), ("1", "0", "2")]
    losses = {rank: re.findall(rf"rank {rank} epoch \d+ loss ([\d.]+)$", log, re.MULTILINE) for rank in "01"}
    assert len(losses["0"]) == 3
    assert losses["0"] == losses["1"]
    assert float(losses["0"][-1]) < 0.8 * float(losses["0"][0])
    assert (run.out / "ddp.pt").stat().st_size > 0
    handle = done.stdout.splitlines()[0]
    assert json.loads(torchx("status", "--json", handle).stdout)["state"] == "SUCCEEDED"
    assert torchx("delete", handle).returncode == 0


def test_the_status_has_the_traceback_of_the_rank_that_raised(run: Ddp) -> None:
    done = run("--epochs", "2", "--fail-rank", "1")
    assert done.returncode == 1
    handle = done.stdout.splitlines()[0]
    status = torchx("status", handle)
    assert "FAILED" in status.stdout
    assert "RuntimeError: rank 1 was asked to fail" in status.stdout
    assert torchx("delete", handle).returncode == 0
