"""What a runner remembers of its jobs; bounded, for a runner may live as long as a service."""

from __future__ import annotations

from _thread import allocate_lock  # threading adds nothing that is needed here, and costs a millisecond at start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.specs.api import AppDef

MAX_JOBS = 1000
"""Jobs whose descriptions are kept; older ones are described by their scheduler, as those of other processes are."""

MAX_NEWS = 100_000
"""Events that are known to have been told to the plugins; much later than that, nobody submits or waits again."""


class Memory:
    """The jobs that were submitted, and what plugins have been told of them. May be used by several threads at once.

    Args:
        max_jobs: how many jobs are remembered.
        max_news: how many events are remembered.
    """

    def __init__(self, max_jobs: int = MAX_JOBS, max_news: int = MAX_NEWS) -> None:
        self._max_jobs = max_jobs
        self._max_news = max_news
        self._apps: dict[str, AppDef] = {}
        self._told: dict[tuple[str, str], None] = {}
        self._lock = allocate_lock()

    def keep(self, app_handle: str, app: AppDef) -> None:
        """Remembers a job as it was submitted."""
        with self._lock:
            self._apps[app_handle] = app
            while len(self._apps) > self._max_jobs:
                del self._apps[next(iter(self._apps))]

    def app(self, app_handle: str) -> AppDef | None:
        """A job as it was submitted; None where that is not remembered."""
        with self._lock:
            return self._apps.get(app_handle)

    def forget(self, app_handle: str) -> None:
        """Drops a job that was deleted."""
        with self._lock:
            self._apps.pop(app_handle, None)

    def is_news(self, what: str, app_handle: str) -> bool:
        """Whether plugins have not been told this of the job yet; from now on they have."""
        with self._lock:
            if (what, app_handle) in self._told:
                return False
            self._told[what, app_handle] = None
            while len(self._told) > self._max_news:
                del self._told[next(iter(self._told))]
            return True
