"""Local code in a Slurm job: copied into ``job_dir``, here or on the login node."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchx.errors import TorchXError, UsageError
from torchx.runner import get_runner
from torchx.schedulers.api import build_workspaces
from torchx.specs.api import AppDef, Resource, Role, Workspace
from torchx.workspace.api import WorkspaceMixin
from torchx_slurm.scheduler import create_scheduler
from torchx_slurm.workspace import _send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx.specs.api import CfgVal

SSH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
[ "$2" = login ] || { echo "ssh: no route" >&2; exit 255; }
cd "$HOME/far" && exec sh -c "$3"
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a login node that is this machine, in another folder."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text(SSH)
    (tmp_path / "bin" / "ssh").chmod(0o755)
    (tmp_path / "far").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / ".torchx"))
    return tmp_path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    (project / "pkg").mkdir(parents=True)
    (project / "pkg" / "train.py").write_text("print('hello')\n")
    (project / "run.sh").write_text("#!/bin/sh\n")
    (project / "run.sh").chmod(0o755)
    (project / ".torchxignore").write_text("data\n")
    (project / "data").mkdir()
    return project


def a_role(name: str = "worker", workspace: Workspace | None = None) -> Role:
    resource = Resource(cpu=1, gpu=0, memMB=1)
    return Role(name, "base", entrypoint="python", args=["pkg/train.py"], resource=resource, workspace=workspace)


def test_workspace_is_copied_into_job_dir_and_is_the_working_folder(project: Path, tmp_path: Path) -> None:
    with get_runner("test") as runner:
        cfg = {"job_dir": str(tmp_path / "shared")}
        info = runner.dryrun(AppDef("app", [a_role()]), "slurm", cfg, workspace=str(project))
    assert (tmp_path / "shared" / "pkg" / "train.py").read_text() == "print('hello')\n"
    assert f"cd -- {tmp_path}/shared ||" in info.request.scripts("/f")["role-0.sh"]


def test_without_job_dir_nothing_is_copied(project: Path) -> None:
    with get_runner("test") as runner:
        info = runner.dryrun(AppDef("app", [a_role()]), "slurm", workspace=str(project))
    assert "cd -- " not in info.request.scripts("/f")["role-0.sh"]


def test_workspace_is_copied_to_the_login_node(project: Path, home: Path) -> None:
    other = home / "other"
    other.mkdir()
    (other / "serve.py").write_text("")
    app = AppDef("app", [a_role(), a_role("server", Workspace({str(other): ""}))])
    with get_runner("test") as runner:
        cfg = {"job_dir": str(home / "far" / "runs" / "it's 1"), "ssh_host": "login"}
        info = runner.dryrun(app, "slurm", cfg, workspace=str(project))
    there = home / "far" / "runs" / "it's 1"
    assert (there / "pkg" / "train.py").read_text() == "print('hello')\n"
    assert os.access(there / "run.sh", os.X_OK)
    assert not (there / "data").exists()
    assert info._app is not None
    images = [role.image for role in info._app.roles]
    assert images[0] == str(there)
    assert (Path(images[1]) / "serve.py").exists()
    assert not list(Path("/tmp").glob("torchx-workspace-*/pkg"))


SEND = """
import resource, sys
from torchx.schedulers.batch.commands import SshCommands
from torchx_slurm import workspace

workspace._send(sys.argv[1] + "/small", "login", sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
workspace._send(sys.argv[1], "login", sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_sending_a_large_workspace_takes_no_memory(home: Path) -> None:
    staged = home / "staged"
    (staged / "small").mkdir(parents=True)
    with (staged / "weights.bin").open("wb") as file:
        file.truncate(200_000_000)
        file.seek(150_000_000)
        file.write(b"middle")
    for n in range(2000):
        (staged / f"{n}.py").touch()
    done = subprocess.run(
        [sys.executable, "-c", SEND, str(staged), str(home / "far" / "there")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert int(done.stdout) < 8 * 1024, "KiB more than for an empty one"
    there = home / "far" / "there"
    assert len([*there.iterdir()]) == 2002
    with (there / "weights.bin").open("rb") as file:
        file.seek(150_000_000)
        assert file.read(6) == b"middle"
        assert file.seek(0, os.SEEK_END) == 200_000_000


@pytest.mark.parametrize("code", ["head -c 1000 >/dev/null; echo no room >&2; exit 3", "echo no room >&2; exit 3"])
def test_login_node_that_stops_reading_is_told_with_its_reason(home: Path, code: str) -> None:
    (home / "bin" / "ssh").write_text(f"#!/bin/sh\n{code}\n")
    (home / "staged").mkdir()
    (home / "staged" / "weights.bin").write_bytes(bytes(10_000_000))
    with pytest.raises(TorchXError, match="no room"):
        _send(str(home / "staged"), "login", "/there")


def test_folder_that_cannot_be_read_is_an_error_and_hangs_nothing(home: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _send(str(home / "gone"), "login", str(home / "far" / "there"))


def test_login_node_that_is_away_is_one_error(project: Path) -> None:
    with get_runner("test") as runner, pytest.raises(TorchXError, match="can't reach the login node"):
        cfg = {"job_dir": "/x", "ssh_host": "elsewhere"}
        runner.dryrun(AppDef("app", [a_role()]), "slurm", cfg, workspace=str(project))


def test_folder_on_the_login_node_is_named_from_the_root_on(project: Path, home: Path) -> None:
    with get_runner("test") as runner, pytest.raises(UsageError, match="job_dir") as caught:
        cfg = {"job_dir": "runs", "ssh_host": "login"}
        runner.dryrun(AppDef("app", [a_role()]), "slurm", cfg, workspace=str(project))
    assert caught.value.hint
    assert [*(home / "far").iterdir()] == []


class Builder(WorkspaceMixin[dict[str, str]]):
    """Builds images that have to be pushed."""

    def __init__(self) -> None:
        super().__init__()
        self.pushed: list[dict[str, str]] = []

    def caching_build_workspace_and_update_role(
        self, role: Role, cfg: Mapping[str, CfgVal], build_cache: dict[object, object]
    ) -> None:
        role.image = "sha256:1"

    def dryrun_push_images(self, app: AppDef, cfg: Mapping[str, CfgVal]) -> dict[str, str]:
        images = {role.image: "registry.test/me:1" for role in app.roles if role.image == "sha256:1"}
        for role in app.roles:
            role.image = images.get(role.image, role.image)
        return images

    def push_images(self, images_to_push: dict[str, str]) -> None:
        self.pushed.append(images_to_push)


def test_image_with_the_workspace_is_pushed_when_the_job_is_submitted(home: Path, project: Path) -> None:
    (home / "bin" / "sbatch").write_text("#!/bin/sh\necho 7\n")
    (home / "bin" / "sbatch").chmod(0o755)
    builder, scheduler = Builder(), create_scheduler("session")
    assert scheduler.workspace_builders() is scheduler.workspace_builders()
    scheduler._builders["image"] = builder
    app, cfg = AppDef("app", [a_role(workspace=Workspace({str(project): ""}))]), {"workspace_type": "image"}
    build_workspaces(scheduler, app, cfg, None)
    info = scheduler.submit_dryrun(app, cfg)
    assert "--container-image=registry.test#me:1" in info.request.scripts("/f")["job.sh"]
    assert (app.roles[0].image, builder.pushed) == ("sha256:1", [])
    assert scheduler.schedule(info) == "7"
    assert builder.pushed == [{"sha256:1": "registry.test/me:1"}]
