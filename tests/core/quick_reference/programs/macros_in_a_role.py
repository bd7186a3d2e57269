"""Values that only the scheduler knows, in arguments and in the environment."""

import os

import torchx.specs as specs
from torchx.runner import get_runner
from torchx.specs import macros

script = 'echo "$0 $1 $IMG_ROOT $2"'
role = specs.Role(
    name="trainer",
    image="my_image:latest",
    entrypoint="sh",
    args=["-c", script, macros.app_id, macros.replica_id, "$HOME $$"],
    env={"IMG_ROOT": macros.img_root, "MY_CONFIG": "/data/config.yaml"},
    num_replicas=2,
)

with get_runner() as runner:
    handle = str(runner.run(specs.AppDef(name="filled", roles=[role]), scheduler="local_cwd"))
    status = runner.wait(handle, wait_interval=1)
    assert status is not None
    assert status.state.name == "SUCCEEDED"
    app_id = specs.parse_app_handle(handle).app_id
    for replica in range(2):
        lines = list(runner.log_lines(handle, "trainer", replica))
        assert lines == [f"{app_id} {replica} {os.getcwd()} $HOME $$\n"], lines
