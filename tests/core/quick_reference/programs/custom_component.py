"""A component of one's own, by the name of its file and by calling it."""

from pathlib import Path

from torchx.runner import get_runner
from torchx.specs import AppDef

SOURCE = '''
import torchx.specs as specs
from torchx.specs import resource


def trainer(script: str, image: str = "my_image:latest", resource_name: str = "gpu.small") -> specs.AppDef:
    """Trains on one node."""
    return specs.AppDef(
        name="trainer",
        roles=[
            specs.Role(
                name="trainer",
                image=image,
                entrypoint="python",
                args=["-m", script],
                resource=resource(h=resource_name),
            )
        ],
    )
'''
Path("my_component.py").write_text(SOURCE)
Path("my_train.py").write_text("print('trained')\n")

with get_runner() as runner:
    handle = runner.run_component(
        "my_component.py:trainer", ["--script", "my_train", "--resource_name", "gpu.medium"], scheduler="local_cwd"
    )
    status = runner.wait(handle, wait_interval=1)
    assert status is not None
    assert status.state.name == "SUCCEEDED"

    namespace: dict[str, object] = {}
    exec(SOURCE, namespace)
    component = namespace["trainer"]
    assert callable(component)
    app = component(script="my_train", resource_name="gpu.medium")
    assert isinstance(app, AppDef)
    assert app.roles[0].resource.gpu == 2
    status = runner.wait(str(runner.run(app, scheduler="local_cwd")), wait_interval=1)
    assert status is not None
    assert status.state.name == "SUCCEEDED"
