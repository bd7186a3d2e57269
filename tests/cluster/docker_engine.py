"""A Docker engine of our own, and the Docker clients that are installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SETUP = Path(__file__).parents[2] / ".ci" / "cluster-setup"
#: Daemons live here too, and a user's PATH may lack it.
PATH = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
#: Seconds.
START_LIMIT, STOP_LIMIT, CLIENT_LIMIT = 60, 30, 120


class EngineError(Exception):
    """The engine can't be started, or refuses what a test needs."""


@dataclass(frozen=True)
class Client:
    """A Docker client program.

    Attributes:
        path: where it is.
        version: as it says itself, such as ``28.2.2``.
    """

    path: str
    version: str

    @property
    def major(self) -> int:
        """The first number of the version."""
        return int(self.version.split(".")[0])

    def run(self, host: str, *args: str, buildkit: bool = False) -> subprocess.CompletedProcess[bytes]:
        """Runs a command against an engine; it sees no settings of the user's.

        Args:
            host: the engine's address, ``unix:///...``.
            args: the command.
            buildkit: builds with BuildKit instead of the classic builder.
        """
        env = {
            "PATH": PATH,
            "DOCKER_HOST": host,
            "DOCKER_BUILDKIT": str(int(buildkit)),
            "DOCKER_CONFIG": "/nonexistent",
        }
        return subprocess.run(
            [self.path, *args],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CLIENT_LIMIT,
            check=False,
        )


def installed_clients() -> list[Client]:
    """The Docker clients on PATH, one for each version, the newest first."""
    found: dict[str, Client] = {}
    for folder in PATH.split(":"):
        path = os.path.join(folder, "docker")
        if os.access(path, os.X_OK):
            told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=CLIENT_LIMIT, check=True)
            version = told.stdout.split()[2].rstrip(",")
            found.setdefault(version, Client(path, version))
    return sorted(found.values(), key=lambda client: client.major, reverse=True)


def install_docker() -> None:
    """Installs the engine and a client, if they are missing.

    Raises:
        EngineError: they can't be installed.
    """
    if shutil.which("dockerd", path=PATH) and installed_clients():
        return
    done = subprocess.run([str(SETUP), "docker"], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise EngineError(f"`{SETUP} docker` failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


@contextlib.contextmanager
def running_engine() -> Iterator[str]:
    """Starts an engine that shares nothing with any other on this machine, and stops it at the end.

    It has no network: images are built from scratch.

    Yields:
        The engine's address.

    Raises:
        EngineError: it does not start.
    """
    # Not in pytest's folder: a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="docker-") as folder:
        home = Path(folder)
        with (home / "log").open("wb") as log:
            engine = subprocess.Popen(_command(home), env={**os.environ, "PATH": PATH}, stdout=log, stderr=log)
        try:
            _await_start(engine, home)
            yield f"unix://{home}/socket"
        finally:
            engine.terminate()
            try:
                engine.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                engine.kill()
                engine.wait()


def _command(home: Path) -> list[str]:
    dockerd = shutil.which("dockerd", path=PATH)
    if dockerd is None:
        raise EngineError("there is no dockerd")
    config = home / "config.json"  # not the machine's
    config.write_text("{}")
    return [
        *("setpriv", "--pdeathsig", "TERM", dockerd),  # it ends with the tests, however these end
        *("--host", f"unix://{home}/socket"),
        *("--data-root", f"{home}/data", "--exec-root", f"{home}/exec", "--pidfile", f"{home}/pid"),
        *("--config-file", str(config)),
        *("--bridge", "none", "--iptables=false"),
    ]


def _await_start(engine: subprocess.Popen[bytes], home: Path) -> None:
    limit = time.monotonic() + START_LIMIT
    probe = installed_clients()[0]
    while probe.run(f"unix://{home}/socket", "version").returncode:
        if engine.poll() is not None or time.monotonic() > limit:
            what = f"ended with exit status {engine.poll()}" if engine.poll() is not None else "does not answer"
            raise EngineError(f"dockerd {what}; it must be run by root:\n{(home / 'log').read_text()[-4000:]}")
        time.sleep(0.05)
