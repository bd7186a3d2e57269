"""A job that fails, and the exception that tells so."""

import torchx.specs as specs
from torchx.runner import get_runner
from torchx.specs.api import AppStatusError

role = specs.Role(name="worker", image="", entrypoint="sh", args=["-c", "exit 3"])
with get_runner() as runner:
    handle = runner.run(specs.AppDef(name="fails", roles=[role]), scheduler="local_cwd")
    assert isinstance(handle, str)
    status = runner.wait(handle, wait_interval=1)

assert status is not None
assert status.state == specs.AppState.FAILED
try:
    status.raise_for_status()
except AppStatusError as error:
    assert error.status is status
else:
    raise AssertionError("a failed job must raise")
