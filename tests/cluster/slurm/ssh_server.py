"""An SSH server of our own on the loopback interface, and a client program that knows nothing but it."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from tests.cluster.slurm.process_trees import with_descendants

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The name under which the client knows the server.
HOST = "login.example.test"
#: Seconds.
START_LIMIT, STOP_LIMIT = 20, 10

SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host
AuthorizedKeysFile {home}/user.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
PidFile none
SetEnv {environment}
"""
CLIENT = """\
Host {host}
HostName 127.0.0.1
Port {port}
IdentityFile {home}/user
IdentitiesOnly yes
StrictHostKeyChecking yes
UserKnownHostsFile {home}/known
ControlPath none
"""


class SshServer:
    """A server that lets root in with one key.

    Args:
        home: an empty folder for its files.
        environment: variables of all sessions.
        path: where ``sshd`` and the other programs are.
    """

    def __init__(self, home: Path, environment: Mapping[str, str], path: str) -> None:
        self._home, self._path = home, path
        self._server: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        for name in ("host", "user"):
            command = [self._program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)]
            subprocess.run(command, check=True, timeout=START_LIMIT)
        # Not the machine's own home folder: a shell's start files may do anything, and for long.
        variables = {**environment, "HOME": str(home)}
        words = " ".join(f'"{name}={value}"' for name, value in variables.items())
        texts = {"server": SERVER, "client": CLIENT}
        for name, text in texts.items():
            (home / name).write_text(text.format(home=home, port=self.port, host=HOST, environment=words))
        (home / "known").write_text(f"[127.0.0.1]:{self.port} {(home / 'host.pub').read_text()}")
        self.bin = home / "bin"
        self.bin.mkdir()
        real, config = shlex.quote(self._program("ssh")), shlex.quote(str(home / "client"))
        (self.bin / "ssh").write_text(f'#!/bin/sh\nexec {real} -F {config} "$@"\n')
        (self.bin / "ssh").chmod(0o755)

    def start(self) -> None:
        """Starts the server; returns when it answers.

        Raises:
            AssertionError: it does not.
        """
        # It wants a folder in /run, which Debian's service would make.
        setup = 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"'
        sshd = [self._program("sshd"), "-D", "-e", "-f", str(self._home / "server")]
        with (self._home / "log").open("ab") as log:
            self._server = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "sh", "-c", setup, "sh", *sshd],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PATH": self._path},
            )
        limit = time.monotonic() + START_LIMIT
        while not self._answers():
            late = self._server.poll() is not None or time.monotonic() > limit
            assert not late, f"sshd does not answer:\n{(self._home / 'log').read_text()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends the server and all its sessions."""
        if self._server is None:
            return
        # Sessions are groups of their own; they end when nobody reads from them. Those that wait are killed.
        for pid in with_descendants(self._server.pid)[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._server.terminate()
        self._server.wait(STOP_LIMIT)
        self._server = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _program(self, name: str) -> str:
        found = shutil.which(name, path=self._path)
        assert found is not None, f"there is no {name}"
        return found
