"""Local code in a Slurm job: copied into ``job_dir``, here or on the login node."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchx.errors import TorchXError, UsageError
from torchx.runner import get_runner
from torchx.schedulers.api import build_workspaces
from torchx.schedulers.batch.dir_workspace import KEEP_MINUTES, SPARE_MINUTES, STORE
from torchx.schedulers.batch.send_folder import send_folder
from torchx.specs.api import AppDef, Resource, Role, Workspace
from torchx.workspace.api import WorkspaceMixin
from torchx_slurm.scheduler import create_scheduler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx.specs.api import CfgVal

REMOTE = Workspace({"memory://versions": ""})

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


def dryrun(project: Path, *roles: Role, **cfg: CfgVal) -> Any:
    """A dry run's request, with the project as the workspace of roles that have none of their own."""
    with get_runner("test") as runner:
        return runner.dryrun(AppDef("app", [*roles] or [a_role()]), "slurm", cfg, workspace=str(project)).request


def copies_in(job_dir: Path) -> list[Path]:
    return sorted(path for path in (job_dir / STORE).iterdir() if path.is_dir())


def made_long_ago(*paths: Path, minutes: int = KEEP_MINUTES + 1) -> None:
    """Sets back the times of last use."""
    for path in paths:
        past = path.stat().st_mtime - minutes * 60
        os.utime(path, (past, past))


def copy_of(request: Any, index: int = 0) -> Path:
    """The folder in which a role's replicas work."""
    return Path(request.roles[index].command.cwd)


def test_workspace_is_copied_below_job_dir_and_is_the_working_folder(project: Path, tmp_path: Path) -> None:
    request = dryrun(project, job_dir=str(tmp_path / "shared"))
    [copy] = copies_in(tmp_path / "shared")
    assert (copy / "pkg" / "train.py").read_text() == "print('hello')\n"
    assert os.access(copy / "run.sh", os.X_OK)
    assert not (copy / "data").exists()
    assert copy_of(request) == copy
    assert request.app.roles[0].image == str(copy)
    assert f"cd -- {copy} ||" in request.scripts("/f")["role-0.sh"]
    assert (tmp_path / "shared" / STORE).stat().st_mode & 0o7777 == 0o1777


@pytest.fixture(params=["here", "login"])
def place(request: pytest.FixtureRequest, home: Path) -> dict[str, CfgVal]:
    """Options with a job_dir on this machine or on the login node."""
    there: dict[str, CfgVal] = {"job_dir": str(home / "far" / "it's here")}
    return {**there, "ssh_host": "login"} if request.param == "login" else there


def test_copy_is_shared_while_nothing_changes_and_is_never_changed(project: Path, place: dict[str, CfgVal]) -> None:
    first = copy_of(dryrun(project, **place))
    assert copy_of(dryrun(project, **place)) == first
    (project / "pkg" / "train.py").write_text("print('other')\n")
    second = copy_of(dryrun(project, **place))
    assert (first / "pkg" / "train.py").read_text() == "print('hello')\n"
    assert (second / "pkg" / "train.py").read_text() == "print('other')\n"


def test_version_of_the_same_size_and_time_is_another_one(project: Path, place: dict[str, CfgVal]) -> None:
    first = copy_of(dryrun(project, **place))
    time = (project / "pkg" / "train.py").stat().st_mtime_ns
    (project / "pkg" / "train.py").write_text("print('HELLO')\n")
    os.utime(project / "pkg" / "train.py", ns=(time, time))
    second = copy_of(dryrun(project, **place))
    assert second != first
    assert (second / "pkg" / "train.py").read_text() == "print('HELLO')\n"


def test_workspace_that_is_fetched_shares_its_copy(home: Path, place: dict[str, CfgVal]) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe_file("/versions/train.py", b"print('hello')\n")
    first, second = (copy_of(dryrun(Path("x"), a_role(workspace=REMOTE), **place)) for _ in range(2))
    assert first == second
    assert (first / "train.py").read_text() == "print('hello')\n"


@pytest.mark.parametrize(
    "code",
    ["echo 1 >>pkg/train.py", "rm run.sh", "echo 1 >output", "mkdir out; ln -s x out/link"],
    ids=["changed", "removed", "added", "link"],
)
def test_copy_in_which_a_job_wrote_is_its_own(project: Path, place: dict[str, CfgVal], code: str) -> None:
    first = copy_of(dryrun(project, **place))
    subprocess.run(["sh", "-c", f"sleep 0.02; {code}"], cwd=first, check=True)
    second = copy_of(dryrun(project, **place))
    assert second != first
    assert [*(second / "pkg").iterdir()] == [second / "pkg" / "train.py"]
    assert (second / "pkg" / "train.py").read_text() == "print('hello')\n"


def test_what_python_compiles_in_a_copy_keeps_nobody_from_sharing_it(project: Path, place: dict[str, CfgVal]) -> None:
    first = copy_of(dryrun(project, **place))
    (first / "pkg" / "__pycache__").mkdir()
    (first / "pkg" / "__pycache__" / "train.pyc").write_text("x")
    assert copy_of(dryrun(project, **place)) == first


def test_roles_with_one_workspace_share_its_copy(project: Path, place: dict[str, CfgVal], home: Path) -> None:
    (home / "other").mkdir()
    (home / "other" / "serve.py").write_text("")
    other = a_role("c", Workspace({str(home / "other"): ""}))
    request = dryrun(project, a_role("a"), a_role("b"), other, **place)
    assert copy_of(request, 0) == copy_of(request, 1)
    assert [*copy_of(request, 2).iterdir()] == [copy_of(request, 2) / "serve.py"]
    assert len(copies_in(Path(str(place["job_dir"])))) == 2


def a_job(request: Any, key: str, *, ended_minutes_ago: int | None = None) -> None:
    """A job's folder as it is after its submission."""
    folder = Path(request.folder).parent / key
    folder.mkdir(parents=True)
    (folder / "job.json").write_bytes(request.files(str(folder))["job.json"])
    if ended_minutes_ago is not None:
        (folder / "end").write_text("0\n")
        made_long_ago(folder / "end", minutes=ended_minutes_ago)


def test_copies_that_no_job_needs_are_removed(project: Path, place: dict[str, CfgVal]) -> None:
    def version(number: int) -> Any:
        (project / "pkg" / "train.py").write_text(f"version = {number}\n")
        return dryrun(project, **place)

    waiting, ended, written, just_ended, unused = (version(n) for n in range(5))
    a_job(waiting, "waiting")
    a_job(ended, "ended", ended_minutes_ago=KEEP_MINUTES + 1)
    a_job(just_ended, "just_ended", ended_minutes_ago=KEEP_MINUTES - 1)
    (copy_of(written) / "output").write_text("")
    (copy_of(unused) / "pkg").chmod(0o555)
    made_long_ago(*(copy_of(request) for request in (waiting, ended, written, just_ended, unused)))
    fresh = version(5)
    kept = {copy_of(request) for request in (waiting, written, just_ended, fresh)}
    assert {*copies_in(Path(str(place["job_dir"])))} == kept


@pytest.mark.parametrize("written", [False, True], ids=["untouched", "with an output"])
def test_copy_goes_with_the_last_job_that_is_deleted(
    project: Path, place: dict[str, CfgVal], home: Path, written: bool
) -> None:
    for name, code in {"sbatch": "echo $$", "squeue": ":", "sacct": ":", "scontrol": ":", "scancel": ":"}.items():
        (home / "bin" / name).write_text(f"#!/bin/sh\n{code}\n")
        (home / "bin" / name).chmod(0o755)
    with get_runner("test") as runner:
        role = AppDef("app", [a_role()])
        first, second = (str(runner.run(role, "slurm", place, workspace=str(project))) for _ in range(2))
        [copy] = copies_in(Path(str(place["job_dir"])))
        if written:
            (copy / "output").write_text("")
        made_long_ago(copy, minutes=SPARE_MINUTES + 1)
        runner.delete(first)
        assert copy.exists()
        runner.delete(second)
        assert copy.exists() == written


def test_workspace_that_is_job_dir_is_used_as_it_is(project: Path) -> None:
    assert copy_of(dryrun(project, job_dir=str(project))) == project
    assert not (project / STORE).exists()


def test_job_dir_in_the_workspace_is_not_copied(project: Path, place: dict[str, CfgVal]) -> None:
    if "ssh_host" not in place:
        place = {"job_dir": str(project / "jobs")}
    for n in range(2):
        (project / "n").write_text(str(n))
        copy = copy_of(dryrun(project, **place))
        assert {path.name for path in copy.iterdir()} == {".torchxignore", "n", "pkg", "run.sh"}


def test_workspace_that_changes_while_it_is_copied_is_copied_again(
    project: Path, place: dict[str, CfgVal], monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchx.workspace import copy as module

    real, left = module.copy_projects, [1]

    def change(*args: Any, **kwargs: Any) -> Any:
        made = real(*args, **kwargs)
        if left[0]:
            left[0] -= 1
            (project / "run.sh").write_text(f"{left[0]} changes to come\n")
        return made

    monkeypatch.setattr(module, "copy_projects", change)
    copy = copy_of(dryrun(project, **place))
    assert (copy / "run.sh").read_text() == "0 changes to come\n"
    assert copies_in(Path(str(place["job_dir"]))) == [copy]
    left[0] = 100_000
    (project / "more").write_text("")
    last = copy_of(dryrun(project, **place))
    assert (last / "more").exists()
    assert left[0] < 99_999, "it was tried again"
    assert copies_in(Path(str(place["job_dir"]))) == sorted([copy, last])
    left[0] = 0
    assert copy_of(dryrun(project, **place)) != last


def test_copy_that_cannot_be_written_is_one_line_and_leaves_nothing(project: Path, place: dict[str, CfgVal]) -> None:
    job_dir = Path(str(place["job_dir"]))
    job_dir.parent.mkdir(exist_ok=True)
    job_dir.write_text("")
    with pytest.raises(TorchXError, match="can't write the workspace to") as caught:
        dryrun(project, **place)
    assert "\n" not in caught.value.message
    assert "it's here" in caught.value.message
    assert caught.value.hint


def test_disk_that_is_full_is_told_with_the_fix(project: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(small)], capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        (project / "big").write_bytes(bytes(300_000))
        with pytest.raises(TorchXError, match="No space left on device") as caught:
            dryrun(project, job_dir=str(small))
        assert caught.value.hint == (
            f"the disk of `{small}` is full: name another folder on the shared file system with job_dir"
        )
        assert copies_in(small) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("container", ["pyxis", "apptainer"])
def test_image_stays_and_finds_the_workspace_mounted(project: Path, place: dict[str, CfgVal], container: str) -> None:
    role = a_role()
    role.image = "nvcr.io/nvidia/pytorch:24.01"
    request = dryrun(project, role, container=container, **{**place, "job_dir": f"{place['job_dir']}".replace("'", "")})
    copy = copy_of(request)
    assert request.app.roles[0].image == role.image
    scripts = request.scripts("/f")
    if container == "pyxis":
        assert "'--container-image=nvcr.io#nvidia/pytorch:24.01'" in scripts["job.sh"]
        assert f",{copy}:{copy}" in scripts["job.sh"]
    else:
        words = f"apptainer exec --bind '{copy}:{copy}' --pwd '{copy}' docker://{role.image} python"
        assert words in scripts["role-0.sh"]
    assert f"cd -- '{copy}' ||" in scripts["role-0.sh"]
    assert request.record()["folders"] == [str(copy)]


@pytest.mark.parametrize("container", ["pyxis", "apptainer"])
def test_job_dir_that_would_be_two_mounts_is_refused(project: Path, home: Path, container: str) -> None:
    with pytest.raises(UsageError, match="can't be mounted") as caught:
        dryrun(project, container=container, job_dir=str(home / "a:b"))
    assert caught.value.hint


def test_without_job_dir_nothing_is_copied(project: Path) -> None:
    with get_runner("test") as runner:
        info = runner.dryrun(AppDef("app", [a_role()]), "slurm", workspace=str(project))
    assert "cd -- " not in info.request.scripts("/f")["role-0.sh"]


SEND = """
import resource, sys
from torchx.schedulers.batch.send_folder import send_folder

send_folder(sys.argv[1] + "/small", "login", sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
send_folder(sys.argv[1], "login", sys.argv[2])
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
        send_folder(str(home / "staged"), "login", "/there")


def test_folder_that_cannot_be_read_is_an_error_and_hangs_nothing(home: Path) -> None:
    with pytest.raises(FileNotFoundError):
        send_folder(str(home / "gone"), "login", str(home / "far" / "there"))


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
