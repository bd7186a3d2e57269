"""The parts for replicas, and overlays on a real way from a job to what is submitted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

from torchx.errors import UsageError
from torchx.runner import Runner
from torchx.schedulers.api import DescribeAppResponse, ListAppResponse, Scheduler
from torchx.schedulers.replicas import describe_replicas, each_replica, job_state, replica_number
from torchx.specs import AppDef, AppDryRunInfo, AppState, ReplicaStatus, Resource, Role, macros
from torchx.specs.overlays import DEL, JOIN, PUT, OverlayError, OverlaySpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx.specs import CfgVal

POD = OverlaySpec(namespace="pods", kind="Pod", blocklist=("spec.containers.command",))
R, F, C, S, U = AppState.RUNNING, AppState.FAILED, AppState.CANCELLED, AppState.SUCCEEDED, AppState.UNKNOWN


class Pods(Scheduler[Any]):
    """A scheduler that submits one pod a replica, to a list."""

    def __init__(self, session_name: str, **kwargs: object) -> None:
        super().__init__("pods", session_name)
        self.submitted: list[dict[str, Any]] = []

    def _submit_dryrun(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> AppDryRunInfo[Any]:
        pods = []
        for role, k, values in each_replica(app, "app-1", img_root="/img"):
            container = {"name": "main", "command": [role.entrypoint, *role.args], "ports": [1]}
            pod: dict[str, Any] = {"name": f"{role.name}-{k}", "spec": {"containers": [container], "tolerations": [1]}}
            POD.apply(pod, app, app[role.name], values=values)
            pods.append(pod)
        return AppDryRunInfo(pods, json.dumps)

    def schedule(self, dryrun_info: AppDryRunInfo[Any]) -> str:
        self.submitted = dryrun_info.request
        return "app-1"

    def describe(self, app_id: str) -> DescribeAppResponse | None:
        return None

    def list(self, cfg: Mapping[str, CfgVal] | None = None) -> list[ListAppResponse]:
        return []

    def _cancel_existing(self, app_id: str) -> None: ...


def submit(app: AppDef) -> list[dict[str, Any]]:
    made: list[Pods] = []

    def factory(session_name: str, **kwargs: object) -> Pods:
        made.append(Pods(session_name))
        return made[-1]

    with Runner("session", {"pods": factory}) as runner:
        runner.run(app, "pods")
    return made[0].submitted


def job(**overlays: Any) -> AppDef:
    resource = Resource(cpu=1, gpu=0, memMB=1)
    return AppDef("job", [Role("r", "", entrypoint="run", args=["a"], num_replicas=2, resource=resource)], **overlays)


def test_overlays_of_app_and_role_reach_what_is_submitted() -> None:
    app = job()
    POD.set(app, {"spec": {"priority": 1, "host": "${replica_id}.node", PUT("tolerations"): [{"key": "spot"}]}})
    containers = {JOIN("containers", on="name"): [{"name": "main", "cwd": f"{macros.img_root}/{macros.app_id}"}]}
    POD.set(app.roles[0], {"spec": {"priority": 2, "gone": None, **containers}, "${app_id}": "as a key"})
    first, second = submit(app)
    container = {"name": "main", "command": ["run", "a"], "ports": [1], "cwd": "/img/app-1"}
    spec = {"containers": [container], "tolerations": [{"key": "spot"}], "priority": 2, "host": "0.node", "gone": None}
    assert first == {"name": "r-0", "spec": spec, "app-1": "as a key"}
    assert second["spec"]["host"] == "1.node"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pod.yaml", "spec:\n  DEL(tolerations): null\n  host: ${replica_id}\n"),
        ("pod.json", '{"spec": {"DEL(tolerations)": null, "host": "${replica_id}"}}'),
    ],
    ids=["yaml", "json"],
)
@pytest.mark.parametrize("level", ["app", "role"])
def test_overlay_files_at_any_uri_reach_it_too(name: str, text: str, level: str) -> None:
    fsspec.filesystem("memory").pipe(f"/overlays/{name}", text.encode())
    app = job()
    metadata: dict[str, Any] = app.metadata if level == "app" else app.roles[0].metadata
    metadata["pods/Pod"] = f"memory://overlays/{name}"
    pods = submit(app)
    assert [pod["spec"]["host"] for pod in pods] == ["0", "1"]
    assert [sorted(pod["spec"]) for pod in pods] == [["containers", "host"]] * 2


@pytest.mark.parametrize(
    ("overlay", "problem"),
    [
        ({"spec": {"containers": [{"command": ["rm"]}]}}, "may not set `spec.containers.command`"),
        ({DEL("spec"): None}, "may not set `spec`"),
        ("memory://overlays/nowhere.yaml", "cannot read overlay file"),
    ],
    ids=["blocked", "above what is blocked", "no file"],
)
def test_what_may_not_be_changed_stops_the_submission(overlay: Any, problem: str) -> None:
    app = job()
    app.roles[0].metadata["pods/Pod"] = overlay
    with pytest.raises(OverlayError, match=problem):
        submit(app)


def test_each_replica_has_its_macros_replaced() -> None:
    role = Role("r", "", entrypoint="e", args=["${replica_id}", "${app_id}", "${rank0_env}"], num_replicas=2)
    app = AppDef("app", [role, Role("s", "", entrypoint="e", env={"A": "${img_root}"})])
    found = [(filled.name, k, filled.args, filled.env) for filled, k, _ in each_replica(app, "id", rank0_env="HOST")]
    assert found == [
        ("r", 0, ["0", "id", "HOST"], {}),
        ("r", 1, ["1", "id", "HOST"], {}),
        ("s", 0, [], {"A": ""}),
    ]
    assert role.args[0] == "${replica_id}"


@pytest.mark.parametrize(
    ("states", "state"),
    [([S, S], S), ([S, F, C], F), ([F, R], R), ([C, S], C), ([U, S], U), ([], U)],
)  # fmt: skip
def test_the_state_of_a_job(states: list[AppState], state: AppState) -> None:
    assert job_state(states) is state


def test_a_description_and_the_place_of_a_replica() -> None:
    replicas = [ReplicaStatus(k, R, role, "host") for role, k in [("a", 0), ("a", 1), ("b", 0)]]
    described = describe_replicas("app", replicas)
    assert (described.app_id, described.state) == ("app", R)
    assert [(role.name, role.num_replicas) for role in described.roles] == [("a", 2), ("b", 1)]
    assert [replica_number(described, r.role, r.id) for r in replicas] == [0, 1, 2]
    with pytest.raises(UsageError, match="no replica b/1 of `app`") as caught:
        replica_number(described, "b", 1)
    assert caught.value.hint == "it has a/0...1, b/0...0"
    with pytest.raises(UsageError, match="a job that does not exist"):
        replica_number(None, "b", 1)
