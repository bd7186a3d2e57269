"""A ``local_docker`` scheduler on the tests' engine, and what its containers look like there."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from torchx.specs import AppDef, AppState, Resource, Role
from torchx.testing.waiting import until
from torchx_docker.scheduler import DockerScheduler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchx.schedulers.api import DescribeAppResponse
    from torchx.specs import CfgVal

TIMEOUT = 60.0
TERMINAL = (AppState.SUCCEEDED, AppState.FAILED, AppState.CANCELLED)


class Docker:
    """Submits jobs, and removes them at the end.

    Args:
        image: the image of each role.
    """

    def __init__(self, image: str) -> None:
        self.image = image
        self.scheduler = DockerScheduler("test")
        self.ids: list[str] = []

    def role(self, code: str, *args: str, name: str = "worker", **fields: Any) -> Role:
        """A role that runs shell code."""
        fields.setdefault("resource", Resource(cpu=1, gpu=0, memMB=64))
        return Role(name, self.image, entrypoint="sh", args=["-c", code, "sh", *args], **fields)

    def submit(self, *roles: Role, cfg: dict[str, CfgVal] | None = None, name: str = "job") -> str:
        """Submits a job of these roles."""
        info = self.scheduler.submit_dryrun(AppDef(name, [*roles]), cfg or {})
        self.ids.append(info.request["app_id"])
        return self.scheduler.schedule(info)

    def describe(self, app_id: str) -> DescribeAppResponse:
        """What is known of a job, which must exist."""
        described = self.scheduler.describe(app_id)
        assert described is not None
        return described

    def reach(self, app_id: str, *states: AppState) -> DescribeAppResponse:
        """Waits until a job is in one of these states."""
        until(lambda: self.describe(app_id).state in states, TIMEOUT, f"{states} of {app_id}")
        return self.describe(app_id)

    def end(self, app_id: str) -> DescribeAppResponse:
        """Waits for a job's end."""
        return self.reach(app_id, *TERMINAL)

    def lines(self, app_id: str, role: str = "worker", k: int = 0, **query: Any) -> list[str]:
        """The log of one replica, to its end."""
        return [*self.scheduler.log_iter(app_id, role, k, should_tail=True, **query)]

    def lines_so_far(self, app_id: str, k: int = 0) -> list[str]:
        """The log of one replica, as it is now."""
        return [*self.scheduler.log_iter(app_id, "worker", k)]

    def output(self, role: Role, cfg: dict[str, CfgVal] | None = None) -> list[str]:
        """What a job of one role prints."""
        return self.lines(self.submit(role, cfg=cfg), role.name)

    def containers(self, app_id: str) -> list[dict[str, Any]]:
        """The engine's full records."""
        native = self.scheduler.describe_native(app_id)
        assert native is not None
        records: list[dict[str, Any]] = native.request
        return records

    def container(self, app_id: str) -> dict[str, Any]:
        """That of the only container."""
        (record,) = self.containers(app_id)
        return record


@contextlib.contextmanager
def docker_jobs(image: str) -> Iterator[Docker]:
    """Submits jobs to the engine that DOCKER_HOST names."""
    docker = Docker(image)
    try:
        yield docker
    finally:
        for app_id in docker.ids:
            docker.scheduler.delete(app_id)
        docker.scheduler.close()
