"""Options of a scheduler: in code, and in a file that code wins over."""

from pathlib import Path

import torchx.specs as specs
from torchx.runner import get_runner

Path(".torchxconfig").write_text("[kubernetes]\nnamespace = from-file\nimage_repo = registry.example.com/images\n")
role = specs.Role(name="r", image="i", entrypoint="true", resource=specs.resource(h="cpu.small"))
app = specs.AppDef(name="configured", roles=[role])

with get_runner() as runner:
    plain = runner.dryrun(app, scheduler="kubernetes").request["cfg"]
    assert plain["namespace"] == "from-file"
    assert plain["image_repo"] == "registry.example.com/images"
    assert plain["queue"] is None

    given = {"namespace": "from-code", "queue": "default"}
    info = runner.dryrun(app, scheduler="kubernetes", cfg=given)
    assert info.request["cfg"]["namespace"] == "from-code"
    assert info.request["cfg"]["queue"] == "default"
