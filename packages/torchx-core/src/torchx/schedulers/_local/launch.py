"""Starts a job's supervisor and hears from it whether all replicas could be started."""

from __future__ import annotations

import marshal
import os
import sys

from torchx.errors import TorchXError
from torchx.schedulers._local.files import SUPERVISOR_LOG
from torchx.schedulers._local.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

START_TIMEOUT = 120.0
"""Seconds in which all replicas of a job must have been started."""

_ANSWER_FD = 3
# What the submitting process left open to its children (a lock, somebody's pipe) is not the job's.
_CODE = """
import os, sys
os.closerange(4, 65536)
sys.path.insert(0, sys.argv[1])
from torchx.schedulers._local.detached import main
main(3)
"""


class Launch:
    """The supervisor of a job about to be submitted, as a process of its own, detached from this one.

    Its interpreter starts while the request is still being made; then it is told what to do. Where it is told nothing,
    it ends.

    Attributes:
        at_work: it was told to start a job, and has not said yet what came of it.
    """

    def __init__(self) -> None:
        self.at_work = False
        self._answer, answer = os.pipe()
        order, self._order = os.pipe()
        try:
            self._pid = _spawn(order, answer)
        finally:
            os.close(order)
            os.close(answer)

    def start(self, folder: str, record: dict[str, Any], meanwhile: Callable[[], object]) -> None:
        """Starts the job whose folder is complete.

        Args:
            folder: the job's folder.
            record: its request.
            meanwhile: called while the supervisor is at work.

        Raises:
            TorchXError: a replica could not be started, and none is left; or there was no answer in time, and the
                job may still be ``at_work``.
        """
        words = marshal.dumps((folder, record, dict(os.environ)))
        self.at_work = True
        try:
            with open(self._order, "wb", closefd=False) as order:
                # With its length: a process that is forked off meanwhile would keep the pipe from ending.
                order.write(len(words).to_bytes(8, "little") + words)
        except BrokenPipeError:  # it has ended: it gives no answer either
            pass
        self._close_order()
        meanwhile()
        try:
            answer = _read_answer(self._answer)
        finally:
            self.close()
        self.at_work = False
        if answer is None:
            raise TorchXError("the job's supervisor did not start", hint=_last_words(folder))
        if answer != b"null\n":
            import json

            raise TorchXError(str(json.loads(answer)))

    def identity(self) -> list[int | str | None]:
        """Tells the process from any other; it will be the job's guardian."""
        from torchx.schedulers._local import proctree

        return proctree.identity(self._pid)

    def close(self) -> None:
        """Lets go of the process: it ends if it was not told to start a job, else it goes on as the job's guardian."""
        self._close_order()
        if self._answer >= 0:
            os.close(self._answer)
            self._answer = -1
            _forget(self._pid)

    def _close_order(self) -> None:
        if self._order >= 0:
            os.close(self._order)
            self._order = -1


def _spawn(order: int, answer: int) -> int:
    source_root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    # Above the numbers that they get in the child, so that none is overwritten before it is duplicated.
    high = [_above(fd, _ANSWER_FD) for fd in (order, answer)]
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", _CODE, source_root],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, high[0], 0),
                (os.POSIX_SPAWN_DUP2, null, 1),
                (os.POSIX_SPAWN_DUP2, null, 2),
                (os.POSIX_SPAWN_DUP2, high[1], _ANSWER_FD),
            ],
            # Ctrl-C between here and its own setsid() must not reach it.
            setsigmask=(signal.SIGINT,),
        )
    finally:
        for fd in (null, *high):
            os.close(fd)


def _above(fd: int, least: int) -> int:
    """A duplicate of a descriptor with a number higher than ``least``."""
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, least + 1)


def _read_answer(fd: int) -> bytes | None:
    import select

    data = b""
    while not data.endswith(b"\n"):
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        if not poller.poll(START_TIMEOUT * 1000):
            raise TorchXError(f"the job's replicas did not start in {START_TIMEOUT:.0f} s")
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
