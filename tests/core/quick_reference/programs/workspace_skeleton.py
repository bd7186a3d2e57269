"""A way to carry a workspace along, mixed into a scheduler, and its test with unittest."""

import unittest
from collections.abc import Mapping
from pathlib import Path
from typing import List, Optional  # noqa: UP035  (`list` is a method here)

from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler
from torchx.specs import AppDef, AppDryRunInfo, CfgVal, Resource, Role, Workspace, runopts
from torchx.workspace import WorkspaceMixin
from torchx.workspace.dir_workspace import DirWorkspaceMixin


class UploadMixin(WorkspaceMixin[None]):
    """Uploads the workspace to an artifact store."""

    def workspace_opts(self) -> runopts:
        opts = runopts()
        opts.add("artifact_store", type_=str, required=True, help="URL of the store")
        return opts

    def caching_build_workspace_and_update_role(
        self, role: Role, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        if not role.workspace:
            return
        role.env["WORKSPACE_URL"] = f"{cfg.get('artifact_store')}/{role.name}"


class Plain(Scheduler[Mapping[str, CfgVal]]):
    def __init__(self, session_name: str, **kwargs: object) -> None:
        super().__init__("mine", session_name)

    def _submit_dryrun(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> AppDryRunInfo[AppDef]:
        return AppDryRunInfo(app, repr)

    def schedule(self, dryrun_info: AppDryRunInfo[AppDef]) -> str:
        self.sent = dryrun_info.request
        return "id-1"

    def describe(self, app_id: str) -> Optional[DescribeAppResponse]:
        return None

    def list(self, cfg: Optional[Mapping[str, CfgVal]] = None) -> List[ListAppResponse]:  # noqa: UP006
        return []

    def _cancel_existing(self, app_id: str) -> None:
        pass


class Uploading(UploadMixin, Plain):
    pass


class Copying(DirWorkspaceMixin, Plain):
    def _run_opts(self) -> runopts:
        opts = runopts()
        opts.add("job_dir", type_=str, help="where the copy goes")
        return opts


class WorkspaceTest(unittest.TestCase):
    def setUp(self) -> None:
        (folder := Path("work").absolute()).mkdir(exist_ok=True)
        (folder / "data").mkdir(exist_ok=True)
        for name in ("train.py", "notes.csv", "data/big.bin", "data/config.yaml"):
            (folder / name).write_text(name)
        (folder / ".torchxignore").write_text("# not for the cluster\n*.csv\ndata/\n\n!data/config.yaml\n")
        resource = Resource(cpu=1, gpu=0, memMB=512)
        self.role = Role("worker", "base:latest", entrypoint="echo", resource=resource)
        self.role.workspace = Workspace.from_str(str(folder))

    def test_the_mixin_alone(self) -> None:
        UploadMixin().caching_build_workspace_and_update_role(self.role, {"artifact_store": "s3://b"}, {})
        self.assertEqual(self.role.env, {"WORKSPACE_URL": "s3://b/worker"})

    def test_in_a_scheduler(self) -> None:
        scheduler = Uploading("test")
        self.assertEqual([name for name, _ in scheduler.run_opts()], ["artifact_store"])
        scheduler.submit(AppDef("app", [self.role]), {"artifact_store": "s3://b"})
        self.assertEqual(scheduler.sent.roles[0].env["WORKSPACE_URL"], "s3://b/worker")
        self.assertEqual(self.role.env, {})

    def test_a_copy_leaves_out_what_is_ignored(self) -> None:
        scheduler = Copying("test")
        target = Path("job").absolute()
        scheduler.submit(AppDef("app", [self.role]), {"job_dir": str(target)})
        self.assertEqual(scheduler.sent.roles[0].image, str(target))
        found = {str(p.relative_to(target)) for p in target.rglob("*") if p.is_file()}
        self.assertTrue({"train.py", "data/config.yaml"} <= found, found)
        self.assertFalse({"notes.csv", "data/big.bin"} & found, found)


if __name__ == "__main__":
    unittest.main()
