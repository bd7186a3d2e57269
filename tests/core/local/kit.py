"""Submits local jobs and sees what processes they leave."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from torchx.specs import AppDef, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchx.schedulers.api import DescribeAppResponse
    from torchx.schedulers.local_scheduler import LocalScheduler

T = TypeVar("T")

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


def until(look: Callable[[], T], timeout: float = 30) -> T:
    """Waits until what a function returns is true, and returns it."""
    end = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
    return found


class Jobs:
    """Submits jobs and knows all of them."""

    def __init__(self, scheduler: LocalScheduler) -> None:
        self.scheduler = scheduler
        self.ids: list[str] = []

    def submit(self, *roles: Role, name: str = "job", **cfg: Any) -> str:
        info = self.scheduler.submit_dryrun(AppDef(name, [*roles]), cfg)
        self.ids.append(self.scheduler.schedule(info))
        return self.ids[-1]

    def state(self, app_id: str) -> DescribeAppResponse:
        described = self.scheduler.describe(app_id)
        assert described is not None
        return described

    def wait(self, app_id: str, timeout: float = 30) -> DescribeAppResponse:
        """The job's last state."""
        until(lambda: self.state(app_id).state.name in ENDED, timeout)
        return self.state(app_id)

    def lines(self, app_id: str, role: str = "w", k: int = 0, **kwargs: Any) -> list[str]:
        return [*self.scheduler.log_iter(app_id, role, k, **kwargs)]

    def processes(self, app_id: str) -> list[int]:
        """All processes of the job, its supervisor and guardian left out."""
        request = self.scheduler._store.request(app_id)
        assert request is not None
        found = processes_with(f"TORCHX_LOCAL_TOKEN={request['token']}")
        return [pid for pid in found if pid not in self.watchers(app_id)]

    def watchers(self, app_id: str) -> list[int]:
        """The process ids of the job's supervisor and guardian."""
        state = self.scheduler._store.state(app_id) or {}
        return [state[name][0] for name in ("supervisor", "guardian") if name in state]


def processes_with(variable: str) -> list[int]:
    """The living processes that were started with ``NAME=value`` in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def role(*command: str, name: str = "w", **kwargs: Any) -> Role:
    """A role that runs a command."""
    return Role(name, "image", entrypoint=command[0], args=[*command[1:]], **kwargs)


def shell(code: str, **kwargs: Any) -> Role:
    """A role that runs shell code."""
    return role("sh", "-c", code, **kwargs)
