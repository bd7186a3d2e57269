"""A job on a cluster, from its submission to its removal."""

from pathlib import Path

import torchx.specs as specs
from torchx.runner import get_runner

Path("train.py").write_text("print('training')\n")

with get_runner() as runner:
    handle = runner.run_component(
        "dist.ddp", ["--script", "train.py", "-j", "2x2"], scheduler="kubernetes", cfg={"namespace": "default"}
    )
    assert handle.startswith("kubernetes://torchx/train-")

    role = specs.Role(name="worker", image="img:1", entrypoint="true", resource=specs.resource(h="cpu.small"))
    direct = runner.run(
        specs.AppDef(name="direct", roles=[role]), scheduler="kubernetes", cfg={"namespace": "research"}
    )
    assert isinstance(direct, str)

    status = runner.status(handle)
    assert status is not None
    assert (status.state, status.ui_url) == (specs.AppState.SUCCEEDED, "http://cluster.example.com/")
    assert status.msg == "all done"

    final = runner.wait(handle, wait_interval=10)
    assert final is not None
    assert final.is_terminal()
    final.raise_for_status()

    assert list(runner.log_lines(handle, role_name="train", k=0)) == ["first\n", "second\n"]
    assert {job.app_handle for job in runner.list("kubernetes")} == {handle, direct}

    runner.cancel(handle)
    runner.delete(handle)
    assert runner.status(handle) is None
