"""A scheduler with typed options, one with options by hand, and its test with unittest."""

import unittest
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, List, Optional  # noqa: UP035  (`list` is a method here)

from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler, StructuredOpts
from torchx.specs import AppDef, AppDryRunInfo, AppState, CfgVal, Resource, Role, runopts


@dataclass
class Request:
    job_name: str
    cmd: list[str]
    env: dict[str, str]


@dataclass
class Opts(StructuredOpts):
    cluster: str = "default"
    """Cluster to submit to."""

    queue: str = "gpu"
    """Queue for the job."""


class TypedScheduler(Scheduler[Mapping[str, CfgVal]]):
    def __init__(self, session_name: str, **kwargs: object) -> None:
        super().__init__("typed", session_name)

    def _run_opts(self) -> runopts:
        return Opts.as_runopts()

    def _submit_dryrun(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> AppDryRunInfo[Request]:
        opts = Opts.from_cfg(cfg)
        role = app.roles[0]
        request = Request(f"{opts.cluster}/{app.name}", [role.entrypoint, *role.args], dict(role.env))
        return AppDryRunInfo(request, repr)

    def schedule(self, dryrun_info: AppDryRunInfo[Request]) -> str:
        return f"{dryrun_info.request.job_name}-123"

    def describe(self, app_id: str) -> Optional[DescribeAppResponse]:
        return DescribeAppResponse(app_id=app_id, state=AppState.RUNNING)

    def list(self, cfg: Optional[Mapping[str, CfgVal]] = None) -> List[ListAppResponse]:  # noqa: UP006
        return []

    def _cancel_existing(self, app_id: str) -> None:
        pass


class ByHand(TypedScheduler):
    def _run_opts(self) -> runopts:
        opts = runopts()
        opts.add("cluster", type_=str, default="default", help="Cluster to submit to.")
        opts.add("queue", type_=str, default="gpu", help="Queue for the job.")
        return opts


def create_scheduler(session_name: str, **kwargs: Any) -> TypedScheduler:
    return TypedScheduler(session_name)


class SchedulerTest(unittest.TestCase):
    def setUp(self) -> None:
        self.scheduler = create_scheduler("test", unused=1)
        worker = Role("worker", "img", entrypoint="echo", args=["hi"], resource=Resource(cpu=1, gpu=0, memMB=512))
        self.app = AppDef(name="app", roles=[worker])

    def test_dryrun(self) -> None:
        info = self.scheduler.submit_dryrun(self.app, cfg={"cluster": "test"})
        self.assertEqual(info.request.job_name, "test/app")
        self.assertIn("Request(", repr(info))

    def test_submit(self) -> None:
        self.assertEqual(self.scheduler.submit(self.app, {}), "default/app-123")

    def test_options(self) -> None:
        for scheduler in (self.scheduler, ByHand("test")):
            self.assertEqual({name for name, _ in scheduler.run_opts()}, {"cluster", "queue"})
            option = scheduler.run_opts().get("cluster")
            assert option is not None
            self.assertEqual(option.help, "Cluster to submit to.")

    def test_no_logs(self) -> None:
        with self.assertRaises(NotImplementedError):
            self.scheduler.log_iter("app", "worker")


if __name__ == "__main__":
    unittest.main()
