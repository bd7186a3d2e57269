"""Which jobs were submitted from here, and where their folders are; kept below ``TORCHX_HOME``, whatever the folder.

One small file a job, replaced as a whole: readers need no lock. Submissions of one dry run take turns by a lock of
their own, also those of several processes. Ids are told apart by the site that gave them.
"""

from __future__ import annotations

import contextlib
import os
import re

from torchx.errors import TorchXError
from torchx.util.home import torchx_home
from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}")


@dataclass(frozen=True)
class Site:
    """Who gave a job its id.

    Attributes:
        host: the login node; None: commands on this machine.
        cluster: the cluster that they reach, where this machine may reach several.
    """

    host: str | None = None
    cluster: str = ""

    @property
    def folder(self) -> str:
        """The folder of the site's jobs, with a ``%``, which no id has; empty where there is only one site."""
        from torchx.util.folder_names import folder_name

        if self.host is not None:
            return folder_name(f"host={self.host}")
        return folder_name(f"cluster={self.cluster}") if self.cluster else ""


ONLY = Site()
"""The site of a batch system of which this machine sees one."""


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

    def job(self, app_id: str, site: Site = ONLY) -> dict[str, Any] | None:
        """What is known of a job: ``key``, ``folder`` and ``host``; None where nothing is."""
        found = self._read(_jobs(site), app_id)
        if found is None and site != ONLY:
            found = self._read("jobs", app_id)  # noted when ids were not told apart by clusters
        whole = found is not None and isinstance(found.get("folder"), str) and isinstance(found.get("key"), str)
        return found if whole and found is not None and found.get("host") == site.host else None

    def hosts_of(self, app_id: str) -> list[str]:
        """The login nodes through which a job of this id was submitted."""
        found = [self._read(os.path.join("jobs", name), app_id) for name in self._sites()]
        hosts = [entry.get("host") for entry in [*found, self._read("jobs", app_id)] if entry]
        return [*dict.fromkeys(host for host in hosts if host)]

    def submission(self, key: str) -> dict[str, Any] | None:
        """What is known of a dry run's submission: ``app_id``, which is None while it is not known to have worked."""
        found = self._read("keys", key)
        return found if found is not None and "app_id" in found else None

    def begin(self, key: str) -> None:
        """Notes that a submission is about to be tried."""
        self._write("keys", key, {"app_id": None})

    def forget(self, key: str) -> None:
        """Notes that a submission has surely made no job."""
        self._remove("keys", key)

    def submitted(self, key: str, app_id: str, *, folder: str, site: Site = ONLY) -> None:
        """Notes a submission that has worked."""
        self._remove(_deleted(site), app_id)  # the same id of years ago
        self._remove("deleted", app_id)
        self._write(_jobs(site), app_id, {"key": key, "folder": folder, "host": site.host})
        self._write("keys", key, {"app_id": app_id})

    def deleted(self, app_id: str, site: Site = ONLY) -> None:
        """Notes that the user wants to hear no more of a job, which the batch system may remember for years."""
        old = self._read("jobs", app_id)
        self._write(_deleted(site), app_id, {})
        self._remove(_jobs(site), app_id)
        if old is not None and old.get("host") == site.host:
            self._remove("jobs", app_id)

    def is_deleted(self, app_id: str, site: Site = ONLY) -> bool:
        """Whether the user wants to hear no more of a job."""
        return any(self._read(kind, app_id) is not None for kind in (_deleted(site), "deleted"))

    def deleted_ids(self, site: Site = ONLY) -> set[str]:
        """The jobs that the user wants to hear no more of."""
        return self._names(_deleted(site)) | self._names("deleted")

    def job_ids(self, site: Site = ONLY) -> set[str]:
        """The jobs that were surely submitted from here to a site."""
        return self._names(_jobs(site))

    def submitted_since(self, seconds: float, site: Site = ONLY) -> list[str]:
        """The jobs that were submitted from here to a site since then (seconds since the epoch), the newest first."""
        kind = _jobs(site)
        times = {name: self._time(kind, name) for name in self._names(kind)}
        return sorted((name for name in times if times[name] >= seconds), key=lambda name: -times[name])

    def other_ids(self, site: Site = ONLY) -> set[str]:
        """The ids of jobs that were submitted from here to another site, or when ids were not told apart."""
        kinds = {"jobs", *(os.path.join("jobs", name) for name in self._sites())} - {_jobs(site)}
        return {name for kind in kinds for name in self._names(kind)}

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keeps others from submitting the same dry run meanwhile; where the file system has no locks, nobody."""
        path = self._path("keys", key, ".lock")
        self._make(os.path.dirname(path))
        with _locked(path):
            try:
                yield
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def _sites(self) -> list[str]:
        """The folders of the sites to which jobs were submitted."""
        return [name for name in self._listed("jobs") if "%" in name]

    def _names(self, kind: str) -> set[str]:
        return {name.removesuffix(".json") for name in self._listed(kind) if "%" not in name}

    def _listed(self, kind: str) -> list[str]:
        try:
            return os.listdir(os.path.join(self.root, "registry", kind))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _path(self, kind: str, name: str, suffix: str = ".json") -> str:
        return os.path.join(self.root, "registry", kind, name + suffix)

    def _time(self, kind: str, name: str) -> float:
        try:
            return os.stat(self._path(kind, name)).st_mtime
        except OSError:
            return 0.0

    def _remove(self, kind: str, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(kind, name))

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


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Holds the lock of the file that stands there: who had it before may have removed the file that was opened."""
    import fcntl

    while True:
        with open(path, "ab") as file:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            if not _leads_to(path, file.fileno()):
                continue
            yield
            return


def _leads_to(path: str, file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def _jobs(site: Site) -> str:
    return os.path.join("jobs", site.folder) if site.folder else "jobs"


def _deleted(site: Site) -> str:
    return os.path.join("deleted", site.folder) if site.folder else "deleted"
