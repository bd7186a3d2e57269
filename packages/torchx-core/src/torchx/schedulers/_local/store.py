"""The jobs of this machine, as folders that any process can read: ``$TORCHX_HOME/local/<app id>/``.

A job's folder appears as a whole or not at all. Who reads a job whose supervisor is gone finds that out, ends what is
left of it, and records it: no job stays RUNNING for ever.
"""

from __future__ import annotations

import os

from torchx.errors import TorchXError
from torchx.schedulers._local.files import (
    CANCEL_FILE,
    DRAFT_PREFIX,
    GONE_PREFIX,
    REQUEST_FILE,
    STATE_FILE,
    TERMINAL,
    TOKEN_VARIABLE,
)
from torchx.schedulers.ids import random_id
from torchx.util.home import torchx_home
from torchx.util.private_files import make_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SPACE_PER_REPLICA = 1024
"""Bytes that must be free for each replica's records when a job is submitted."""


class AppExistsError(TorchXError):
    """There is a job with this id already."""


_OTHER_HOME = "set TORCHX_HOME to a folder of your own"


class Store:
    """The folders of all local jobs.

    Args:
        root: the folder they are in; by default below ``TORCHX_HOME``, looked up at every use.
    """

    def __init__(self, root: str | None = None) -> None:
        self._root = root

    @property
    def root(self) -> str:
        """The folder of all jobs."""
        if self._root:
            return self._root
        return torchx_home("local")

    def folder(self, app_id: str) -> str:
        """The folder of one job, whether there is one or not."""
        return os.path.join(self.root, app_id)

    def exists(self, app_id: str) -> bool:
        """Whether there is such a job."""
        return _is_app_id(app_id) and os.path.isfile(os.path.join(self.folder(app_id), REQUEST_FILE))

    def create(self, record: dict[str, Any]) -> str:
        """Makes a job's folder.

        Args:
            record: the request as the supervisor reads it.

        Returns:
            The folder.

        Raises:
            AppExistsError: there is one already.
            TorchXError: the folder can't be written; nothing is left of it.
        """
        from torchx.schedulers._local.records import to_json
        from torchx.util.private_files import write_atomic

        final = self.folder(record["app_id"])
        # A draft of its own for each call: one request may be submitted by several threads or processes at once.
        draft = os.path.join(self.root, f"{DRAFT_PREFIX}{record['app_id']}-{random_id()}")
        try:
            make_private(self.root)
            os.mkdir(draft, 0o700)
            write_atomic(os.path.join(draft, REQUEST_FILE), to_json(record).encode())
            self._check_space(draft, sum(len(role["replicas"]) for role in record["roles"]))
            os.rename(draft, final)
        except BaseException as error:
            import shutil

            shutil.rmtree(draft, ignore_errors=True)
            if not isinstance(error, OSError):
                raise
            if os.path.isdir(final):
                raise AppExistsError(f"the job `{record['app_id']}` exists already") from error
            raise TorchXError(
                f"can't write the job's records to {self.root}: {error.strerror}",
                hint=_OTHER_HOME if isinstance(error, PermissionError) else f"free some space, or {_OTHER_HOME}",
            ) from error
        return final

    def remove(self, app_id: str) -> None:
        """Deletes a job's folder with all that is in it; the job must have ended, or be deleted by somebody else."""
        import shutil

        gone = os.path.join(self.root, f"{GONE_PREFIX}{app_id}")
        try:
            os.rename(self.folder(app_id), gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone)

    def request(self, app_id: str) -> dict[str, Any] | None:
        """What was submitted; None where there is no such job."""
        return _read_json(os.path.join(self.folder(app_id), REQUEST_FILE), "roles") if _is_app_id(app_id) else None

    def state(self, app_id: str) -> dict[str, Any] | None:
        """The job's record now; None where there is no such job.

        The record is as in the supervisor's state file; before it has written one, and where it can't be told whether
        the job is still alive, it has no replicas.
        """
        if not _is_app_id(app_id):
            return None
        state = self._read_state(app_id)
        if state is None or state["state"] in TERMINAL:
            return state
        return self._check_alive(app_id, state)

    def newest_first(self) -> list[tuple[str, float]]:
        """The ids of all jobs, with when each was submitted, in seconds since the epoch.

        What killed processes have left half done long ago is cleared away.

        Raises:
            TorchXError: the folder of all jobs can't be read.
        """
        found = []
        try:
            with os.scandir(self.root) as entries:
                for entry in entries:
                    if _is_app_id(entry.name):
                        found.append((entry.name, _written(os.path.join(entry.path, REQUEST_FILE))))
                    elif entry.name.startswith((DRAFT_PREFIX, GONE_PREFIX)):
                        from torchx.schedulers._local.leftovers import clear_stale

                        clear_stale(entry)
        except FileNotFoundError:
            return []
        except (PermissionError, NotADirectoryError) as error:
            raise TorchXError(f"can't read {self.root}: {error.strerror}", hint=_OTHER_HOME) from error
        return sorted(found, key=lambda job: (-job[1], job[0]))

    def cancel(self, app_id: str) -> None:
        """Asks the job's supervisor to end it. Nothing happens to a job that has ended.

        Raises:
            TorchXError: the job runs on another host.
        """
        import signal

        from torchx.schedulers._local import proctree

        state = self.state(app_id)
        if state is None or state["state"] in TERMINAL:
            return
        if state["state"] == "UNKNOWN":
            raise TorchXError(f"can't cancel `{app_id}`: {state['msg']}")
        path = os.path.join(self.folder(app_id), CANCEL_FILE)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # Read again: a supervisor that had written no state before looks for the file only after it has written one.
        supervisor = (self._read_state(app_id) or state).get("supervisor")
        if supervisor is not None:
            # Continued first, in case somebody has stopped it.
            pids = [supervisor[0]] if proctree.is_alive(*supervisor) else []
            proctree.send(pids, signal.SIGCONT)
            proctree.send(pids, signal.SIGTERM)

    def _check_space(self, folder: str, replicas: int) -> None:
        from torchx.schedulers._local.statefile import allocate

        path = os.path.join(folder, "space")
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            allocate(fd, 16384 + SPACE_PER_REPLICA * replicas)
        finally:
            os.close(fd)
            os.unlink(path)

    def _read_state(self, app_id: str) -> dict[str, Any] | None:
        folder = self.folder(app_id)
        state = _read_json(os.path.join(folder, STATE_FILE), "replicas")
        if state is None and self.exists(app_id):
            # Read again: it may have been written between the two looks.
            not_yet = {"state": "SUBMITTED", "msg": "", "replicas": []}
            state = _read_json(os.path.join(folder, STATE_FILE), "replicas") or not_yet
        return state

    def _check_alive(self, app_id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        from torchx.schedulers._local import proctree

        # The first record of the supervisor tells what is asked here of the request, which may be long.
        facts = state if "host" in state else self.request(app_id)
        if facts is None:  # deleted meanwhile
            return None
        if facts["host"] != hostname():
            return {**state, "state": "UNKNOWN", "msg": f"it runs on host {facts['host']}; ask there", "replicas": []}
        rebooted = bool(state.get("boot")) and state["boot"] != proctree.boot_id()
        watchers = [state.get("supervisor") or facts.get("submitter"), state.get("guardian") or facts["guardian"]]
        if not rebooted and any(proctree.is_alive(*watcher) for watcher in watchers if watcher):
            return state
        request = self.request(app_id)
        return None if request is None else self._bury(app_id, request, rebooted=rebooted)

    def _bury(self, app_id: str, request: dict[str, Any], *, rebooted: bool) -> dict[str, Any] | None:
        """Ends and records a job that nobody watches any more. One process at a time does it."""
        import fcntl
        import json

        from torchx.schedulers._local import proctree
        from torchx.schedulers._local.lost import lost_message, mark_failed
        from torchx.util.private_files import write_atomic

        folder = self.folder(app_id)
        with open(os.path.join(folder, REQUEST_FILE), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self._read_state(app_id)
            if state is None or state["state"] in TERMINAL:
                return state
            if not rebooted:
                groups = (
                    {r["pid"] for r in state["replicas"] if r["pid"] and r["state"] == "RUNNING"}
                    if proctree.PORTABLE
                    else set()
                )
                if state.get("supervisor"):  # with them those who were given another environment
                    groups |= proctree.groups_of(proctree.in_session_of(*state["supervisor"]))
                proctree.kill_all(set(), groups, set(), timeout=10, marker=f"{TOKEN_VARIABLE}={request['token']}")
            state = mark_failed(
                state, "the machine was restarted while the job ran" if rebooted else lost_message(None)
            )
            write_atomic(os.path.join(folder, STATE_FILE), json.dumps(state).encode())
            return state


def _written(path: str) -> float:
    """When a file was written; 0 where there is none."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def hostname() -> str:
    """This machine's name, as jobs are marked with it."""
    return os.uname().nodename


def _is_app_id(name: str) -> bool:
    return bool(name) and not name.startswith(".") and os.sep not in name and "\0" not in name


def _read_json(path: str, part: str) -> dict[str, Any] | None:
    """A record; None where there is no such file. ``part`` is one of the things that it must have."""
    import json

    try:
        with open(path, "rb") as file:
            record = json.loads(file.read())
        if not isinstance(record, dict) or part not in record:
            raise ValueError(f"it has no `{part}`")
        return record
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        # Where not even the folder can be entered, nobody knows whether there is such a job.
        known = os.path.isdir(os.path.dirname(path))
        hint = "the job belongs to another user" if known else _OTHER_HOME
        raise TorchXError(f"can't read {path}: {error.strerror}", hint=hint) from error
    except ValueError as error:
        raise TorchXError(f"{path} is damaged: {error}", hint=f"remove {os.path.dirname(path)}") from error
