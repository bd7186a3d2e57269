"""Which jobs were submitted from here, and where their folders are; kept below ``TORCHX_HOME``, whatever the folder.

One small file a job, replaced as a whole: readers need no lock. Submissions of one dry run take turns by a lock of
their own, also those of several processes.
"""

from __future__ import annotations

import contextlib
import os
import re

from torchx.errors import TorchXError
from torchx.util.home import torchx_home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}")


class Registry:
    """The jobs of one backend.

    Args:
        backend: the scheduler's name, a folder below ``TORCHX_HOME``.
        root: the folder instead, for tests.
    """

    def __init__(self, backend: str, root: str | None = None) -> None:
        self._backend = backend
        self._root = root

    @property
    def root(self) -> str:
        """The folder in which the registry is, and the jobs that name no folder of their own."""
        if self._root:
            return self._root
        return torchx_home(self._backend)

    def job(self, app_id: str) -> dict[str, Any] | None:
        """What is known of a job: ``key``, ``folder`` and ``host``; None where nothing is."""
        return self._read("jobs", app_id)

    def submission(self, key: str) -> dict[str, Any] | None:
        """What is known of a dry run's submission: ``app_id``, which is None while it is not known to have worked."""
        return self._read("keys", key)

    def begin(self, key: str) -> None:
        """Notes that a submission is about to be tried."""
        self._write("keys", key, {"app_id": None})

    def forget(self, key: str) -> None:
        """Notes that a submission has surely made no job."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path("keys", key))

    def submitted(self, key: str, app_id: str, *, folder: str, host: str | None) -> None:
        """Notes a submission that has worked."""
        with contextlib.suppress(FileNotFoundError):  # the id of another cluster's job, or of one of years ago
            os.unlink(self._path("deleted", app_id))
        self._write("jobs", app_id, {"key": key, "folder": folder, "host": host})
        self._write("keys", key, {"app_id": app_id})

    def deleted(self, app_id: str) -> None:
        """Notes that the user wants to hear no more of a job, which the batch system may remember for years."""
        self._write("deleted", app_id, {})
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path("jobs", app_id))

    def is_deleted(self, app_id: str) -> bool:
        """Whether the user wants to hear no more of a job."""
        return self._read("deleted", app_id) is not None

    def deleted_ids(self) -> set[str]:
        """The jobs that the user wants to hear no more of."""
        return self._names("deleted")

    def job_ids(self) -> set[str]:
        """The jobs that were submitted from here."""
        return self._names("jobs")

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keeps others from submitting the same dry run meanwhile; where the file system has no locks, nobody."""
        import fcntl

        path = self._path("keys", key, ".lock")
        self._make(os.path.dirname(path))
        with open(path, "ab") as file:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _names(self, kind: str) -> set[str]:
        try:
            return {name.removesuffix(".json") for name in os.listdir(os.path.join(self.root, "registry", kind))}
        except FileNotFoundError:
            return set()

    def _path(self, kind: str, name: str, suffix: str = ".json") -> str:
        return os.path.join(self.root, "registry", kind, name + suffix)

    def _read(self, kind: str, name: str) -> dict[str, Any] | None:
        import json

        if not _PLAIN.fullmatch(name):
            return None
        try:
            with open(self._path(kind, name), "rb") as file:
                record = json.loads(file.read())
        except (FileNotFoundError, NotADirectoryError, ValueError):  # none, or not one of ours
            return None
        except OSError as error:
            raise TorchXError(f"can't read {self._path(kind, name)}: {error.strerror}") from error
        return record if isinstance(record, dict) else None

    def _write(self, kind: str, name: str, record: dict[str, Any]) -> None:
        import json

        from torchx.util.private_files import write_atomic

        path = self._path(kind, name)
        self._make(os.path.dirname(path))
        try:
            write_atomic(path, json.dumps(record).encode())
        except OSError as error:
            raise self._cannot_write(error) from error

    def _make(self, folder: str) -> None:
        from torchx.util.private_files import make_private

        try:
            make_private(folder)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> TorchXError:
        return TorchXError(
            f"can't write to {self.root}: {error.strerror}",
            hint="free some space, or set TORCHX_HOME to a folder that can be written",
        )
