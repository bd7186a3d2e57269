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
    from collections.abc import Callable, Iterator

SETUP = Path(__file__).parents[3] / ".ci" / "cluster-setup"
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


class EngineProcess:
    """An engine that shares nothing with any other on this machine, in a folder of its own.

    Containers of a network reach each other, and nothing outside of this machine. containerd is a process of its own,
    as on most machines.

    Args:
        home: the folder; its path is short, since sockets lie in it.
        bridge: the bridge of its default network, without which BuildKit runs no programs; by default there is none.
        live_restore: containers go on when the engine is stopped, or killed; not so by Docker's default.

    Attributes:
        host: its address.
    """

    def __init__(self, home: Path, bridge: str = "none", *, live_restore: bool = True) -> None:
        self._home = home
        self._live_restore = live_restore
        self._bridge = bridge
        self._containerd: subprocess.Popen[bytes] | None = None
        self._dockerd: subprocess.Popen[bytes] | None = None
        self.host = f"unix://{home}/socket"

    def start(self) -> None:
        """Starts it, and waits until it answers.

        Raises:
            EngineError: it does not.
        """
        if self._containerd is None:
            self._containerd = self._run(_containerd_command(self._home))
            self._await("containerd", self._containerd, (self._home / "containerd.sock").exists)
        probe = installed_clients()[0]
        self._dockerd = self._run(_command(self._home, self._bridge, live_restore=self._live_restore))
        self._await("dockerd", self._dockerd, lambda: probe.run(self.host, "version").returncode == 0)

    def kill(self) -> None:
        """Kills it, as a crash would."""
        assert self._dockerd is not None
        self._dockerd.kill()
        self._dockerd.wait()
        (self._home / "pid").unlink(missing_ok=True)

    def shut_down(self) -> None:
        """Ends the engine alone, as at a machine's shutdown."""
        assert self._dockerd is not None
        _end(self._dockerd)

    def stop(self) -> None:
        """Ends it, and all that it runs."""
        if self._dockerd is not None and self._dockerd.poll() is None:
            probe = installed_clients()[0]
            listed = probe.run(self.host, "ps", "-aq").stdout.decode().split()
            if listed:
                probe.run(self.host, "rm", "-fv", *listed)
            # Their bridges would outlive the engine, and the addresses for new ones run out at about 30.
            probe.run(self.host, "network", "prune", "--force")
        for process in (self._dockerd, self._containerd):
            if process is not None:
                _end(process)
        # An engine that was killed leaves some behind.
        for mount in Path("/proc/self/mounts").read_text().splitlines():
            if (target := mount.split(" ")[1]).startswith(f"{self._home}/"):
                subprocess.run(["umount", "--lazy", target], capture_output=True, timeout=STOP_LIMIT, check=False)

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._home / "log").open("ab") as log:
            # It ends with the tests, however these end.
            command = ["setpriv", "--pdeathsig", "TERM", *command]
            return subprocess.Popen(command, env={**os.environ, "PATH": PATH}, stdout=log, stderr=log)

    def _await(self, name: str, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        limit = time.monotonic() + START_LIMIT
        while not ready():
            if process.poll() is not None or time.monotonic() > limit:
                what = "does not answer" if process.poll() is None else f"ended with exit status {process.poll()}"
                log = (self._home / "log").read_text()[-4000:]
                raise EngineError(f"{name} {what}; it must be run by root:\n{log}")
            time.sleep(0.05)


@contextlib.contextmanager
def engine_process(bridge: str = "none", *, live_restore: bool = True) -> Iterator[EngineProcess]:
    """Starts an engine, and stops it at the end.

    Args:
        bridge, live_restore: as for `EngineProcess`.

    Raises:
        EngineError: it does not start.
    """
    # Not in pytest's folder: a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="docker-") as folder:
        engine = EngineProcess(Path(folder), bridge, live_restore=live_restore)
        try:
            engine.start()
            yield engine
        finally:
            engine.stop()


@contextlib.contextmanager
def running_engine(bridge: str = "none") -> Iterator[str]:
    """As `engine_process`; yields the engine's address."""
    with engine_process(bridge) as engine:
        yield engine.host


@contextlib.contextmanager
def own_bridge() -> Iterator[str]:
    """A bridge with a few addresses, for an engine's default network; yields its name.

    Raises:
        EngineError: it can't be made.
    """
    name, address = f"txb{os.getpid()}", f"10.213.{os.getpid() % 256}.1/24"
    for command in ("link", "add", name, "type", "bridge"), ("address", "add", address, "dev", name):
        done = subprocess.run(["ip", *command], capture_output=True, text=True, timeout=STOP_LIMIT, check=False)
        if done.returncode:
            raise EngineError(f"`ip {' '.join(command)}` failed: {done.stderr}")
    try:
        yield name
    finally:
        subprocess.run(["ip", "link", "del", name], capture_output=True, timeout=STOP_LIMIT, check=False)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _daemon(name: str) -> str:
    path = shutil.which(name, path=PATH)
    if path is None:
        raise EngineError(f"there is no {name}")
    return path


def _containerd_command(home: Path) -> list[str]:
    config = home / "containerd.toml"  # not the machine's
    config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    return [
        *(_daemon("containerd"), "--config", str(config), "--address", f"{home}/containerd.sock"),
        *("--root", f"{home}/containerd", "--state", f"{home}/state"),
    ]


def _command(home: Path, bridge: str, *, live_restore: bool) -> list[str]:
    config = home / "config.json"  # not the machine's
    config.write_text("{}")
    return [
        *(_daemon("dockerd"), "--host", f"unix://{home}/socket", "--containerd", f"{home}/containerd.sock"),
        *("--data-root", f"{home}/data", "--exec-root", f"{home}/exec", "--pidfile", f"{home}/pid"),
        *("--config-file", str(config)),
        *("--bridge", bridge, "--iptables=false", f"--live-restore={str(live_restore).lower()}"),
    ]
