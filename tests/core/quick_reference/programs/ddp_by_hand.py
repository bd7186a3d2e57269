"""Distributed training: by component, and described by hand."""

from pathlib import Path

import torchx.specs as specs
from torchx.runner import get_runner

Path("train.py").write_text("print('training')\n")

with get_runner() as runner:
    arguments = ["--script", "train.py", "-j", "2x2", "--gpu", "2", "--memMB", "8192"]
    request = runner.dryrun_component("dist.ddp", arguments, scheduler="kubernetes").request
    (role,) = request["app"].roles
    assert role.num_replicas == 2
    assert (role.resource.gpu, role.resource.memMB) == (2, 8192)

    words = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "2", "train.py"]
    trainer = specs.Role(
        name="trainer",
        image="my_image:latest",
        entrypoint="python",
        args=words,
        num_replicas=2,
        resource=specs.Resource(cpu=8, gpu=2, memMB=16384),
    )
    handle = runner.run(specs.AppDef(name="by_hand", roles=[trainer]), scheduler="kubernetes")
    assert isinstance(handle, str)
    described = runner.describe(handle)
    assert described is not None
    assert described.roles[0].args == words
