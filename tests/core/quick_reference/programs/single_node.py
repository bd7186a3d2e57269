"""Training on one node, as processes of this machine."""

from pathlib import Path

import torchx.specs as specs
from torchx.runner import get_runner
from torchx.specs import resource

Path("my_train.py").write_text("import os, sys\nprint(sys.argv[1:], os.environ['CUDA_VISIBLE_DEVICES'])\n")

app = specs.AppDef(
    name="train",
    roles=[
        specs.Role(
            name="trainer",
            image="my_image:latest",
            entrypoint="python",
            args=["-m", "my_train", "--epochs", "10"],
            resource=resource(h="gpu.small"),
            env={"CUDA_VISIBLE_DEVICES": "0"},
        )
    ],
)

with get_runner() as runner:
    handle = runner.run(app, scheduler="local_cwd")
    assert isinstance(handle, str)
    status = runner.wait(handle, wait_interval=1)
    assert status is not None
    assert "SUCCEEDED" in str(status)
    assert list(runner.log_lines(handle, role_name="trainer")) == ["['--epochs', '10'] 0\n"]
