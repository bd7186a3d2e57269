"""Jobs of a scheduler under test: described, submitted, waited for, and gone at the end of the test."""

from __future__ import annotations

import copy

from torchx.specs.api import AppDef, AppState, Role, is_terminal
from torchx.testing.waiting import until, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torchx.schedulers.api import DescribeAppResponse, Scheduler
    from torchx.specs.api import AppDryRunInfo, CfgVal, Resource

ROLE = "worker"
"""The role's name where a test does not care."""


class Jobs:
    """Submits jobs to one scheduler and knows all of them.

    Args:
        scheduler: the scheduler under test.
        cfg: the options of each job.
        image: the image of each role; it needs ``sh`` with the usual small tools.
        resource: the resource of each role.
        timeout: seconds that anything may take.
    """

    def __init__(
        self,
        scheduler: Scheduler[Any],
        *,
        cfg: Mapping[str, CfgVal],
        image: str,
        resource: Resource,
        timeout: float,
    ) -> None:
        self.scheduler = scheduler
        self.cfg = cfg
        self.image = image
        self.resource = resource
        self.timeout = timeout
        self.ids: list[str] = []

    def role(
        self,
        code: str,
        *args: str,
        name: str = ROLE,
        num_replicas: int = 1,
        env: dict[str, str] | None = None,
    ) -> Role:
        """A role that runs shell code, with ``args`` as ``$1``, ``$2``, ..."""
        return Role(
            name,
            self.image,
            entrypoint="sh",
            args=["-c", code, "sh", *args],
            env=dict(env or {}),
            num_replicas=num_replicas,
            resource=copy.deepcopy(self.resource),
        )

    def plain_resource(self) -> dict[str, int]:
        """The resource of each role as keyword arguments, for another process."""
        return {"cpu": self.resource.cpu, "gpu": self.resource.gpu, "memMB": self.resource.memMB}

    def app(self, *roles: Role, name: str = "conformance") -> AppDef:
        """A job of these roles."""
        return AppDef(name, [*roles])

    def dryrun(self, app: AppDef) -> AppDryRunInfo[Any]:
        """The request for a job."""
        return self.scheduler.submit_dryrun(app, dict(self.cfg))

    def schedule(self, info: AppDryRunInfo[Any]) -> str:
        """Submits a request; returns the job's id."""
        app_id = self.scheduler.schedule(info)
        self.own(app_id)
        return app_id

    def own(self, app_id: str) -> None:
        """Sees to it that a job is gone at the end of the test, whoever submitted it."""
        if app_id not in self.ids:
            self.ids.append(app_id)

    def submit(self, *roles: Role, name: str = "conformance") -> str:
        """Submits a job of these roles; returns its id."""
        return self.schedule(self.dryrun(self.app(*roles, name=name)))

    def run(self, code: str, *args: str, **role: Any) -> str:
        """Submits a job of one role that runs shell code; returns its id."""
        return self.submit(self.role(code, *args, **role))

    def describe(self, app_id: str) -> DescribeAppResponse:
        """What the scheduler knows of a job, which it must know."""
        described = self.scheduler.describe(app_id)
        assert described is not None, f"the scheduler does not know the job `{app_id}`, which exists"
        return described

    def reach(self, app_id: str, state: AppState) -> DescribeAppResponse:
        """Waits until a job is in a state; fails at once if it ends in another."""

        def look() -> bool:
            described = self.describe(app_id)
            reached = described.state == state
            assert reached or not is_terminal(described.state), f"{described.state.name}: {described.msg}"
            return reached

        until(look, self.timeout, f"state {state.name} of `{app_id}`")
        return self.describe(app_id)

    def end(self, app_id: str) -> DescribeAppResponse:
        """Waits until a job has ended."""
        until(lambda: is_terminal(self.describe(app_id).state), self.timeout, f"the end of `{app_id}`")
        return self.describe(app_id)

    def lines(self, app_id: str, role: str = ROLE, k: int = 0, *, should_tail: bool = True, **query: Any) -> list[str]:
        """The log lines of one replica; by default all up to its end."""
        return within(
            self.timeout,
            lambda: [*self.scheduler.log_iter(app_id, role, k, should_tail=should_tail, **query)],
            f"the log of {role}/{k} of `{app_id}`",
        )

    def listed(self) -> list[str]:
        """The ids of those of the jobs that the scheduler lists."""
        return [app.app_id for app in self.scheduler.list() if app.app_id in self.ids]

    def clean_up(self) -> None:
        """Ends and removes all jobs."""
        for app_id in self.ids:
            self.scheduler.cancel(app_id)
        for app_id in self.ids:
            until(lambda app_id=app_id: self._is_over(app_id), self.timeout, f"the end of `{app_id}`")  # type: ignore[misc]  # mypy sees no type in the bound default
            self.scheduler.delete(app_id)

    def _is_over(self, app_id: str) -> bool:
        described = self.scheduler.describe(app_id)
        return described is None or is_terminal(described.state)
