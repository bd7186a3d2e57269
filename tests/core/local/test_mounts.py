"""Mounts of jobs that are processes of this machine: what they will not find is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.local.kit import Jobs, role
from torchx.specs import AppDef, BindMount, DeviceMount, VolumeMount

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("mount", "told"),
    [
        (BindMount("{here}", "{here}"), False),
        (DeviceMount("/dev/null", "/dev/null"), False),
        (BindMount("{here}", "/elsewhere"), True),
        (BindMount("{here}/nothing", "{here}/nothing"), True),
        (VolumeMount("data", "{here}"), True),
    ],
    ids=["same path", "device", "another path", "missing", "volume"],
)
def test_mounts_that_a_replica_will_not_find_are_a_warning(
    jobs: Jobs,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    mount: BindMount | VolumeMount | DeviceMount,
    told: bool,
) -> None:
    for name, path in vars(mount).items():
        if isinstance(path, str):
            setattr(mount, name, path.replace("{here}", str(tmp_path)))
    jobs.scheduler.submit_dryrun(AppDef("job", [role("true", mounts=[mount])]), {})
    expected = [f"this scheduler mounts nothing: role `w` will not find `{mount.dst_path}`"] if told else []
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == expected
