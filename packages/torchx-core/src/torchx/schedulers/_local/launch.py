"""Starts a job's supervisor and hears from it whether all replicas could be started."""

from __future__ import annotations

import json
import os
import signal
import sys

from torchx.errors import TorchXError
from torchx.schedulers._local.files import SUPERVISOR_LOG, TOKEN_VARIABLE

START_TIMEOUT = 120.0
"""Seconds in which all replicas of a job must have been started."""

_ANSWER_FD = 3
_CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from torchx.schedulers._local.detached import main
main(sys.argv[2], 3)
"""


def start_supervisor(folder: str, token: str) -> None:
    """Starts the supervisor of a job as a process of its own, detached from this one.

    Args:
        folder: the job's folder.
        token: put into the environment of everything that belongs to the job.

    Raises:
        TorchXError: a replica could not be started; none is left.
    """
    read, write = os.pipe()
    try:
        pid = _spawn(folder, token, write)
    finally:
        os.close(write)
    try:
        answer = _read_answer(read)
    finally:
        os.close(read)
    # The process goes on as the job's guardian: whoever still lives must not leave it as a zombie later.
    _forget(pid)
    if answer is None:
        raise TorchXError("the job's supervisor did not start", hint=_last_words(folder))
    problem = json.loads(answer)
    if problem is not None:
        raise TorchXError(str(problem))


def _spawn(folder: str, token: str, answer_fd: int) -> int:
    source_root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    words = os.open(os.path.join(folder, SUPERVISOR_LOG), flags, 0o600)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    # A descriptor keeps its close-on-exec flag when it is duplicated onto itself.
    answer = os.dup(answer_fd) if answer_fd == _ANSWER_FD else answer_fd
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", _CODE, source_root, folder],
            {**os.environ, TOKEN_VARIABLE: token},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, words, 1),
                (os.POSIX_SPAWN_DUP2, words, 2),
                (os.POSIX_SPAWN_DUP2, answer, _ANSWER_FD),
            ],
            # Ctrl-C between here and its own setsid() must not reach it.
            setsigmask=(signal.SIGINT,),
        )
    finally:
        os.close(words)
        os.close(null)
        if answer != answer_fd:
            os.close(answer)


def _read_answer(fd: int) -> bytes | None:
    import select

    data = b""
    while not data.endswith(b"\n"):
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        if not poller.poll(START_TIMEOUT * 1000):
            return None
        part = os.read(fd, 65536)
        if not part:
            break
        data += part
    return data or None


_children: set[int] = set()


def _forget(pid: int) -> None:
    """Reaps the guardians that have ended; the others at the next submission, or init when this process ends."""
    _children.add(pid)
    for child in list(_children):
        try:
            done = os.waitpid(child, os.WNOHANG)[0]
        except ChildProcessError:
            done = child
        if done:
            _children.discard(child)


def _last_words(folder: str) -> str | None:
    try:
        with open(os.path.join(folder, SUPERVISOR_LOG), encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")
    except OSError:
        return None
    return next((line for line in reversed(lines) if line.strip()), None)
