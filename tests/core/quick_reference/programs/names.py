"""The imports that programs begin with, and what they find."""

import torchx.specs as specs
from torchx.runner import Runner, get_runner
from torchx.specs import (
    AppDef,
    AppState,
    BindMount,
    DeviceMount,
    Resource,
    RetryPolicy,
    Role,
    VolumeMount,
    Workspace,
    macros,
    resource,
)

assert specs.AppDef is AppDef
assert resource(h="gpu.small") == Resource(cpu=8, gpu=1, memMB=32 * 1024)
assert resource(h="aws_p3.2xlarge").gpu == 1
assert resource(cpu=4, gpu=1, memMB=8192).cpu == 4

everything = Role(
    name="trainer",
    image="registry.example.com/train:1",
    entrypoint="python",
    args=["-m", "train", macros.app_id],
    env={"MODE": "fast"},
    num_replicas=2,
    min_replicas=1,
    max_retries=3,
    retry_policy=RetryPolicy.APPLICATION,
    resource=Resource(cpu=4, gpu=1, memMB=8192),
    port_map={"tb": 6006},
    mounts=[
        BindMount(src_path="/data", dst_path="/mnt/data", read_only=True),
        VolumeMount(src="claim", dst_path="/mnt/out"),
        DeviceMount(src_path="/dev/fuse", dst_path="/dev/fuse"),
    ],
    workspace=Workspace.from_str("/src"),
)
app = AppDef(name="job", roles=[everything], metadata={})
assert app["trainer"].num_replicas == 2
assert [s.name for s in AppState if specs.is_terminal(s)] == ["SUCCEEDED", "FAILED", "CANCELLED"]
assert AppState.UNSUBMITTED < AppState.RUNNING < AppState.SUCCEEDED

runner = get_runner()
assert isinstance(runner, Runner)
runner.close()
