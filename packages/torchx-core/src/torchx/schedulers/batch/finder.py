"""Finds jobs by their ids: at which site they are, who answers for them, and where their files lie."""

from __future__ import annotations

from torchx.errors import TorchXError, UsageError
from torchx.schedulers.batch.commands import commands_on
from torchx.schedulers.batch.jobfiles import files_of
from torchx.schedulers.batch.place import CANCELLED_FILE, END_FILE, noted_end, read_place
from torchx.schedulers.batch.registry import Site

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torchx.schedulers.batch.commands import Commands
    from torchx.schedulers.batch.job import BatchJob, BatchSystem
    from torchx.schedulers.batch.jobfiles import JobFiles
    from torchx.schedulers.batch.place import JobPlace
    from torchx.schedulers.batch.registry import Registry


class JobFinder:
    """The jobs of a backend at all the sites that it knows.

    Args:
        backend: the scheduler's name.
        registry: what was submitted from here.
        system: makes the batch system that is asked by some commands.
        host: the login node to ask about jobs that were not submitted from here; None: this machine.
    """

    def __init__(
        self, backend: str, registry: Registry, system: Callable[[Commands], BatchSystem], host: str | None
    ) -> None:
        self._backend = backend
        self._registry = registry
        self._make = system
        self._host = host
        self._systems: dict[str | None, BatchSystem] = {}

    def system(self, host: str | None) -> BatchSystem:
        """The batch system of a login node, of this machine where it is None."""
        system = self._systems.get(host)
        if system is None:
            system = self._systems.setdefault(host, self._make(commands_on(host)))
        return system

    def files(self, host: str | None) -> JobFiles:
        """The files of that machine."""
        return files_of(self.system(host).commands)

    def site(self, host: str | None) -> Site:
        """The site that this machine's commands reach, or those of a login node."""
        return Site(host) if host is not None else Site(None, self.system(None).cluster())

    def site_of(self, app_id: str) -> Site:
        """The site of a job: that of the scheduler, unless the job was submitted through a login node.

        Raises:
            UsageError: jobs of this id were submitted through several login nodes.
        """
        own = self.site(self._host)
        if self._registry.job(app_id, own) is not None:
            return own
        hosts = self._registry.hosts_of(app_id)
        here = self.site(None)
        if self._host is not None and self._registry.job(app_id, here) is not None:
            return here if not hosts else self._several(app_id, [*hosts, "this machine"])
        if len(hosts) > 1:
            return self._several(app_id, hosts)
        return self.site(hosts[0]) if hosts else own

    def sites_of(self, app_ids: Iterable[str]) -> dict[Site, list[str]]:
        """Jobs by site; those that were deleted are left out."""
        own = self.site(self._host)
        certain, elsewhere = self._registry.job_ids(own), self._registry.other_ids(own)
        groups: dict[Site, list[str]] = {}
        hidden: dict[Site, set[str]] = {}
        for app_id in app_ids:
            site = own if app_id in certain or app_id not in elsewhere else self.site_of(app_id)
            if site not in hidden:
                hidden[site] = self._registry.deleted_ids(site)
            if app_id not in hidden[site]:
                groups.setdefault(site, []).append(app_id)
        return groups

    def is_known(self, app_id: str, site: Site) -> bool:
        """Whether a job was submitted from here."""
        return self._registry.job(app_id, site) is not None

    def place(self, app_id: str, site: Site, job: BatchJob | None) -> JobPlace | None:
        """Where a job's files are: as noted at its submission, else where its own script lies.

        Args:
            app_id: the job.
            site: where it is.
            job: what the batch system told of it, if it was asked: a note of another job with the same id is no good.
        """
        entry = self._registry.job(app_id, site)
        if entry is not None and job is not None and job.folder and job.folder != entry.get("folder"):
            entry = None
        folder = entry.get("folder") if entry else job.folder if job else None
        if not isinstance(folder, str) or not folder:
            return None
        place = read_place(self.files(site.host), site.host, folder)
        if place is not None and entry is not None and place.record.get("key", entry.get("key")) != entry.get("key"):
            return None
        return place

    def noted_ends(self, jobs: Mapping[str, BatchJob | None], site: Site) -> dict[str, BatchJob]:
        """Jobs by the notes in their folders, which are read at once, however many there are."""
        folders: dict[str, str] = {}
        for app_id in jobs:
            entry = self._registry.job(app_id, site)
            folder = entry.get("folder") if entry else None
            if isinstance(folder, str) and folder.startswith("/"):
                folders[app_id] = folder.lstrip("/")
        if not folders:
            return {}
        names = [f"{folder}/{name}" for folder in folders.values() for name in (END_FILE, CANCELLED_FILE)]
        try:
            notes = self.files(site.host).read("/", names)
        except TorchXError:
            return {}
        found: dict[str, BatchJob] = {}
        for app_id, folder in folders.items():
            job = jobs[app_id]
            told = (notes.get(f"{folder}/{name}") for name in (END_FILE, CANCELLED_FILE))
            noted = noted_end(app_id, job.name if job else "", *told)
            if noted is not None:
                found[app_id] = noted
        return found

    def existing_place(self, app_id: str, site: Site, ask: Callable[[], BatchJob | None]) -> JobPlace:
        """As `place`, for a job that must be there.

        Args:
            app_id: the job.
            site: where it is.
            ask: what the batch system tells of it.

        Raises:
            UsageError: there is no such job.
            TorchXError: nothing can be found of it but its state.
        """
        place = None
        if not self._registry.is_deleted(app_id, site):
            try:
                job = ask()
            except TorchXError:  # its files can be read all the same
                if not self.is_known(app_id, site):
                    raise
                job = None
            place = self.place(app_id, site, job)
            if place is None and job is not None:
                raise nothing_to_read(app_id)
        if place is None:
            raise UsageError(
                f"there is no {self._backend} job `{app_id}`",
                hint=f"`torchx list -s {self._backend}` shows what there is",
            )
        return place

    def _several(self, app_id: str, hosts: list[str]) -> Site:
        raise UsageError(
            f"there are several {self._backend} jobs `{app_id}`, submitted through {', '.join(hosts)}",
            hint="name the login node in TORCHX_SSH_HOST",
        )


def nothing_to_read(app_id: str) -> TorchXError:
    """The error for a job that has no folder of ours."""
    return TorchXError(
        f"the files of `{app_id}` can't be found",
        hint="it was not submitted by torchx, or its folder is gone, damaged, or not to be seen from this machine",
    )
