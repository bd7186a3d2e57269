"""A registry of our own: Debian's `docker-registry`, which is the reference implementation."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.docker.engine import PATH, SETUP, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What it logs when it has the port.
_LISTENING = "listening on"
#: Seconds.
START_LIMIT, STOP_LIMIT = 30, 10
USER, PASSWORD = "ann", "correct horse"
#: The line of an htpasswd file for them; bcrypt is all that the registry takes.
HTPASSWD = "ann:$2b$04$Mofip8t6AuMMVZgKSgyh9eZ1x.yPiK.OHlQy.cU/wyi1gI6ObUuZy\n"


class RegistryProcess:
    """A registry that keeps its images in a folder of its own.

    Args:
        folder: the folder.
        auth: the section ``auth`` of its configuration.
        data: where the images are kept; by default in the folder.

    Attributes:
        name: its name, ``127.0.0.1:<port>``, which Docker takes for safe without TLS.
    """

    def __init__(self, folder: Path, auth: dict[str, object] | None = None, data: Path | None = None) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        port = _free_port()
        self.name = f"127.0.0.1:{port}"
        self.data = data or folder / "data"
        config = {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(self.data)}, "delete": {"enabled": True}},
            "http": {"addr": self.name, "secret": "tests"},
            **({"auth": auth} if auth else {}),
        }
        (folder / "config.yml").write_text(json.dumps(config))

    @property
    def log(self) -> str:
        """What it has logged: a line for each request."""
        return (self._folder / "log").read_text()

    def start(self) -> None:
        """Starts it, and waits until it answers.

        Raises:
            EngineError: it does not.
        """
        program = shutil.which("docker-registry", path=PATH)
        if program is None:
            raise EngineError("there is no docker-registry")
        self._starts += 1
        with (self._folder / "log").open("ab") as log:
            command = ["setpriv", "--pdeathsig", "TERM", program, "serve", str(self._folder / "config.yml")]
            self._process = subprocess.Popen(command, env={**os.environ, "PATH": PATH}, stdout=log, stderr=log)
        limit = time.monotonic() + START_LIMIT
        # Its own word for it comes first: where somebody else took the port meanwhile, they would answer.
        while self.log.count(_LISTENING) < self._starts or not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                raise EngineError(f"docker-registry does not start:\n{self.log[-4000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stops it; what it holds stays."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def requests(self, method: str, part: str) -> int:
        """How many requests of a method it has answered whose path holds a text."""
        return sum(f'"{method} ' in line and part in line for line in self.log.splitlines() if "HTTP/1." in line)

    def blobs(self) -> set[str]:
        """The digests of all blobs that it keeps."""
        return {path.parent.name for path in self.data.rglob("blobs/sha256/*/*/data")}

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.name}/v2/", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False


@contextlib.contextmanager
def running_registry(auth: dict[str, object] | None = None, data: Path | None = None) -> Iterator[RegistryProcess]:
    """Starts a registry, and stops it at the end.

    Raises:
        EngineError: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="registry-") as folder:
        registry = RegistryProcess(Path(folder), auth, data)
        registry.start()
        try:
            yield registry
        finally:
            registry.stop()


@contextlib.contextmanager
def registry_with_passwords() -> Iterator[RegistryProcess]:
    """A registry that wants :data:`USER` and :data:`PASSWORD`."""
    with tempfile.NamedTemporaryFile("w", prefix="htpasswd-") as file:
        file.write(HTPASSWD)
        file.flush()
        with running_registry({"htpasswd": {"realm": "tests", "path": file.name}}) as registry:
            yield registry


def install_registry() -> None:
    """Installs the registry, if it is missing.

    Raises:
        EngineError: it can't be installed.
    """
    if shutil.which("docker-registry", path=PATH):
        return
    done = subprocess.run([str(SETUP), "registry"], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise EngineError(f"`{SETUP} registry` failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
