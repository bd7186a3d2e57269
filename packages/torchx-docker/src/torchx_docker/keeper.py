"""The keeper of a job of several containers: a process of its own that outlives whoever submitted the job.

The engine starts single containers again by itself. What concerns others (a replica has failed for good, so the rest is
ended; a role or the whole job is started again) nobody does there, so this process waits for the engine's news of the
job and does it. It keeps nothing: what it needs to know is in the containers' labels, names and states.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import TYPE_CHECKING

from torchx.errors import TorchXError
from torchx.util.retry import Backoff
from torchx_docker.client import Engine
from torchx_docker.connection import EngineUnreachableError
from torchx_docker.ending import end, mark
from torchx_docker.lookup import replicas_of
from torchx_docker.request import LABEL_APP_ID
from torchx_docker.restarting import Restarts
from torchx_docker.retries import next_step

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_EVERY = 300
"""Seconds after which the job is looked at without any news."""

SETTLE = 2
"""Seconds in which the engine's list of containers shows what it has told as news."""

NEWS_PAUSE = 0.1
"""Seconds in which it mostly does so."""

GIVE_UP_AFTER = 3600.0
"""Seconds for which an engine may be gone before its job is given up."""

ERROR_PAUSE = 1.0
"""Seconds after the engine has refused something: most often somebody else has just done it."""

LAUNCH_TIMEOUT = 60.0
"""Seconds in which the process must have begun."""

MOST_ERRORS = 20
"""Refusals in a row after which the job is left alone."""


READY = b"ready"
"""What the process writes, and then no more, when it has begun."""

_DETACH = """
import os, sys
if os.fork():
    os._exit(0)
from torchx_docker.keeper import main
main(*sys.argv[1:])
"""

_PATHS = ("TORCHX_HOME", "DOCKER_CONFIG", "DOCKER_CERT_PATH")
"""Variables that name folders, perhaps from the caller's, which is not the process's."""


def launch(app_id: str) -> None:
    """Starts the keeper of a job; it belongs to no terminal, session or parent of the caller's.

    Raises:
        TorchXError: it can't be started, or there is no folder that it may write to.
    """
    import subprocess

    env = {**os.environ, **{name: os.path.abspath(os.environ[name]) for name in _PATHS if os.environ.get(name)}}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _DETACH, app_id, _lock_path(app_id)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # until the detached process closes it, too
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env=env,
            timeout=LAUNCH_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _not_started(app_id, str(error)) from error
    if not done.stdout.endswith(READY):
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise _not_started(app_id, said[-1] if said else "it ended at once")


def _not_started(app_id: str, why: str) -> TorchXError:
    return TorchXError(
        f"the process that watches `{app_id}` can't be started: {why}",
        hint="it needs a folder of this machine that it may write to: TORCHX_HOME, XDG_RUNTIME_DIR or TMPDIR",
    )


def keep(engine: Engine, app_id: str) -> None:
    """Watches a job until nothing will have to be done any more."""
    backoff = Backoff(total_timeout=GIVE_UP_AFTER)
    restarts = Restarts(engine, app_id)
    errors = 0
    last_event, news = 0, False
    while errors < MOST_ERRORS:
        try:
            plan = next_step(replicas_of(engine, app_id))
            if plan.over:
                return
            if plan.restart:
                restarts.restart(plan)
            elif plan.stop:
                mark(engine, [r for r in plan.stop if not r.called_off], stopped=True)
                end(engine, app_id, plan.stop, for_good=True)
            else:
                until = int(time.time()) + (SETTLE if news else LOOK_EVERY)
                event = engine.await_event([f"{LABEL_APP_ID}={app_id}"], last_event, until)
                news, last_event = event != last_event, event
                time.sleep(NEWS_PAUSE)
            backoff.reset()
            errors = 0
        except EngineUnreachableError:
            delay = backoff.next_delay()
            if delay is None:
                return
            time.sleep(delay)
        except TorchXError:
            errors += 1
            time.sleep(ERROR_PAUSE)


def main(app_id: str, path: str) -> None:
    """The process.

    Args:
        app_id: the job.
        path: a file that is locked while it runs.
    """
    import fcntl

    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # the same request was submitted twice
        _tell(READY)
        return
    except OSError as error:
        _tell(str(error).encode())
        return
    _tell(READY)
    try:
        keep(Engine(), app_id)
    finally:
        os.unlink(path)


def _tell(what: bytes) -> None:
    """Says something to whoever has launched the process; then nothing any more."""
    os.write(1, what)
    nothing = os.open(os.devnull, os.O_RDWR)
    for output in (1, 2):
        os.dup2(nothing, output)
    os.close(nothing)


def _lock_path(app_id: str) -> str:
    """A file beside which a keeper of the job is the only one: in the first folder that there can be.

    Raises:
        TorchXError: there is none.
    """
    problem: object = "there is no folder"
    for folder in _lock_folders():
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                return os.path.join(folder, f"{app_id}.lock")
            problem = PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        except OSError as error:
            problem = error
    raise _not_started(app_id, str(problem))


def _lock_folders() -> Iterator[str]:
    """TorchX's own; where a home folder can't be written to, one that lasts as long as the login, or the machine."""
    import tempfile

    from torchx.specs.api import TORCHX_HOME

    with contextlib.suppress(TorchXError):  # there is no home folder
        yield os.path.abspath(TORCHX_HOME("docker"))
    if session := os.environ.get("XDG_RUNTIME_DIR"):
        yield os.path.join(os.path.abspath(session), "torchx-docker")
    with contextlib.suppress(FileNotFoundError):
        shared = os.path.join(tempfile.gettempdir(), f"torchx-docker-{os.getuid()}")
        # Anybody may have made it there.
        if not os.path.lexists(shared) or os.lstat(shared).st_uid == os.getuid():
            yield shared
