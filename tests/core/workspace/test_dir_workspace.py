"""Copies of workspaces: what is kept, what is refused, and what a second submission does."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchx.specs import Role, Workspace
from torchx.workspace import assemble, fastcopy, parallel
from torchx.workspace.dir_workspace import DirWorkspaceMixin, TmpDirWorkspaceMixin
from torchx.workspace.errors import UnsafeWorkspaceError, WorkspaceError, WorkspaceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    Snapshot = dict[str, tuple[int, str]]
    Take = Callable[[Path], Snapshot]

NAMES = [
    "new\nline",
    "quo'te\"s",
    "$HOME `x`",
    "-rf",
    "a,b=c;d",
    "日本",
    " lead",
    "trail ",
    "*",
    "[x]",
    "\\",
    "~",
    "..x",
    "%s{}",
]


def build(ws: Path | str, job_dir: Path | str) -> Role:
    role = Role(name="r", image="base")
    DirWorkspaceMixin().build_workspace_and_update_role(role, str(ws), {"job_dir": str(job_dir)})
    return role


def inodes(root: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.lstat().st_ino, p.lstat().st_mtime_ns) for p in root.rglob("*") if not p.is_dir()}


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return tmp_path / "jobs" / "job"


@pytest.fixture
def rich_ws(ws: Path) -> Path:
    """A workspace with everything that is to be kept."""
    (ws / "run.sh").write_text("#!/bin/sh\n")
    (ws / "run.sh").chmod(0o755)
    (ws / "secret").write_text("s")
    (ws / "secret").chmod(0o400)
    (ws / "shared").mkdir()
    (ws / "shared").chmod(0o777)
    (ws / "shared" / "f").write_text("f")
    (ws / "shared" / "f").chmod(0o666)
    (ws / "locked").mkdir()
    (ws / "locked" / "f").write_text("")
    (ws / "locked").chmod(0o555)
    (ws / "link").symlink_to("pkg/mod.py")
    (ws / "folder link").symlink_to("pkg")
    (ws / "dangling").symlink_to("not/there")
    (ws / "loop").symlink_to("loop")
    (ws / "big").write_bytes(os.urandom(3 * fastcopy.CHUNK + 7))
    (ws / "exact").write_bytes(bytes(fastcopy.CHUNK))
    for name in NAMES:
        (ws / name).write_text(name)
        (ws / "pkg" / name).mkdir()
        (ws / "pkg" / name / name).write_text(name)
    Path(os.fsdecode(os.fsencode(ws) + b"/no\xffutf8")).write_text("")
    return ws


@pytest.mark.usefixtures("umask")
def test_all_is_kept(rich_ws: Path, job: Path, snapshot: Take) -> None:
    role = build(rich_ws, job)
    assert role.image == str(job)
    assert snapshot(job) == snapshot(rich_ws)
    assert sorted(os.listdir(job.parent)) == ["job"]
    assert job.stat().st_mode & 0o777 == 0o755
    assert (job / "run.sh").stat().st_mtime_ns == (rich_ws / "run.sh").stat().st_mtime_ns


@pytest.mark.usefixtures("umask")
def test_an_existing_folder_gets_the_same(rich_ws: Path, job: Path, snapshot: Take) -> None:
    job.mkdir(parents=True)
    build(rich_ws, job)
    assert snapshot(job) == snapshot(rich_ws)
    assert os.listdir(job.parent) == ["job"]


def test_the_umask_does_not_change_modes(ws: Path, job: Path, snapshot: Take) -> None:
    before = os.umask(0o077)
    try:
        (ws / "train.py").chmod(0o775)
        build(ws, job)
        assert (job / "train.py").stat().st_mode & 0o777 == 0o775
        assert job.stat().st_mode & 0o777 == 0o700
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)


def test_set_user_id_is_not_kept(ws: Path, job: Path) -> None:
    (ws / "train.py").chmod(0o6755)
    build(ws, job)
    assert (job / "train.py").stat().st_mode & 0o7777 == 0o755


def test_ignored_files_stay_behind(ws: Path, job: Path, snapshot: Take) -> None:
    (ws / ".torchxignore").write_text("pkg\n!pkg/deep\n.torchxignore\n")
    build(ws, job)
    assert sorted(snapshot(job)) == ["empty", "pkg", "pkg/deep", "pkg/deep/leaf.txt", "train.py"]


def test_without_job_dir_nothing_is_done(ws: Path) -> None:
    role = Role(name="r", image="base", workspace=Workspace.from_str(str(ws)))
    DirWorkspaceMixin().build_workspaces([role], {})
    DirWorkspaceMixin().build_workspace_and_update_role(role, "/nowhere", {"job_dir": None})
    assert role.image == "base"


@pytest.mark.parametrize("path", ["missing", "train.py/x"])
def test_a_missing_workspace_is_an_error(ws: Path, job: Path, path: str) -> None:
    with pytest.raises(WorkspaceNotFoundError, match=f"workspace `{ws}/{path}` does not exist"):
        build(ws / path, job)
    assert not job.exists()


@pytest.mark.parametrize("job_exists", [False, True])
@pytest.mark.parametrize("hostile", ["link out", "fifo", "bad rules"])
def test_what_is_refused_leaves_nothing_behind(ws: Path, job: Path, hostile: str, job_exists: bool) -> None:
    if job_exists:
        build(ws, job)
    before = inodes(job)
    (ws / "new").write_text("")
    if hostile == "link out":
        (ws / "pkg" / "etc").symlink_to("/etc")
    elif hostile == "fifo":
        os.mkfifo(ws / "pkg" / "pipe")
    else:
        (ws / ".torchxignore").write_text("[\n")
    with pytest.raises((UnsafeWorkspaceError, ValueError)):
        build(ws, job)
    assert job.exists() == job_exists
    assert inodes(job) == before
    assert not job.parent.exists() or os.listdir(job.parent) in ([], ["job"])


def settle(ws: Path) -> None:
    """Ages a workspace, so that its newest change is clearly before the next submission."""
    newest = max(p.lstat().st_ctime_ns for p in (ws, *ws.rglob("*")))
    while time.time_ns() - newest < 150_000_000:
        time.sleep(0.01)


@pytest.mark.parametrize("find", [True, False], ids=["find", "no find"])
def test_an_unchanged_workspace_copies_nothing(
    rich_ws: Path, job: Path, monkeypatch: pytest.MonkeyPatch, find: bool
) -> None:
    settle(rich_ws)
    build(rich_ws, job)
    before = inodes(job)
    if not find:
        monkeypatch.setattr("torchx.workspace.unchanged._newest_is", lambda *_: False)
    else:
        monkeypatch.setattr(assemble, "_copy", None)  # calling it would fail
    build(rich_ws, job)
    assert inodes(job) == before


@pytest.mark.parametrize("processors", [1, 2, 4])
def test_what_changes_in_an_ignored_folder_is_no_change(
    ws: Path, job: Path, monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    monkeypatch.setattr("torchx.workspace.processors.available", lambda: processors)
    ignored = [ws / "cache", ws / "pkg" / "cache [1]*", ws / "pkg" / "deep" / "cache\\x"]
    for folder in ignored:
        folder.mkdir()
        (folder / "f").write_text("")
    (ws / ".torchxignore").write_text("**/cache*\n")
    settle(ws)
    build(ws, job)
    for folder in ignored[1:]:
        (folder / "f").write_text("changed")
        (folder / "g").write_text("new")
    with monkeypatch.context() as patch:
        patch.setattr(assemble, "_copy", None)  # calling it would fail
        build(ws, job)
    for path in (ws / "train.py", ws / "pkg" / "mod.py", ws / "pkg" / "deep" / "leaf.txt", ws / "empty" / "new"):
        path.write_text(f"changed {path}")
        build(ws, job)
        assert (job / path.relative_to(ws)).read_text() == f"changed {path}"
        settle(ws)
        build(ws, job)


def test_an_unchanged_workspace_copies_nothing_without_a_record(rich_ws: Path, job: Path, torchx_home: Path) -> None:
    build(rich_ws, job)
    before = inodes(job)
    for record in (torchx_home / "workspaces").iterdir():
        assert record.stat().st_mode & 0o777 == 0o600
        record.write_text("garbage")
    build(rich_ws, job)
    assert inodes(job) == before


# -- files of the same size and time -----------------------------------------------------------------------------------


def twin(original: Path, copy: Path) -> Path:
    """A tree like another one: all files differ, and have the sizes and times of those, as archives and `cp -p` do."""
    shutil.copytree(original, copy, symlinks=True)
    for path in copy.rglob("*"):
        if path.is_file():
            found = path.stat()
            path.write_bytes(path.read_bytes().swapcase())
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    return copy


@pytest.mark.parametrize("aged", [True, False], ids=["aged", "fresh"])
def test_another_workspace_with_files_of_the_same_size_and_time(
    ws: Path, job: Path, tmp_path: Path, snapshot: Take, aged: bool
) -> None:
    other = twin(ws, tmp_path / "other")
    assert inodes(ws).keys() != inodes(other).keys()
    for source in (ws, other, ws, other, other):
        if aged:
            settle(source)
        build(source, job)
        assert snapshot(job) == snapshot(source)


@pytest.mark.parametrize("what", ["folder", "file", "root"])
@pytest.mark.parametrize("aged", [True, False], ids=["aged", "fresh"])
def test_what_took_the_place_of_something_of_the_same_size_and_time(
    ws: Path, job: Path, tmp_path: Path, snapshot: Take, what: str, aged: bool
) -> None:
    other = twin(ws, tmp_path / "other")
    if aged:
        settle(other)
    build(ws, job)
    path = {"folder": "pkg", "file": "pkg/mod.py", "root": ""}[what]
    (ws / path).rename(tmp_path / "before")
    (other / path).rename(ws / path)
    build(ws, job)
    assert snapshot(job) == snapshot(ws)


def test_what_the_job_changed_keeping_size_and_time_is_brought_back(ws: Path, job: Path, snapshot: Take) -> None:
    settle(ws)
    build(ws, job)
    time.sleep(0.02)  # past the tick of the file system's clock
    found = (job / "pkg" / "mod.py").stat()
    (job / "pkg" / "mod.py").write_text("X = 1\n")
    os.utime(job / "pkg" / "mod.py", ns=(found.st_atime_ns, found.st_mtime_ns))
    (ws / "train.py").write_text("changed, so that it is looked at")
    build(ws, job)
    assert snapshot(job) == snapshot(ws)


@pytest.mark.parametrize("way", ["copied", "brought up to date"])
def test_files_that_have_not_changed_are_not_read(
    ws: Path, job: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way != "copied":
        job.mkdir(parents=True)
    settle(ws)
    build(ws, job)
    (ws / "train.py").write_text("changed")
    monkeypatch.setattr("torchx.workspace.sync._same_content", None)  # calling it would fail
    build(ws, job)
    assert (job / "train.py").read_text() == "changed"


def test_something_must_have_the_time_of_the_newest_change(ws: Path) -> None:
    """Where nothing has it any more, other files are here: from a snapshot, or another file system."""
    from torchx.workspace.projects import resolve_projects
    from torchx.workspace.record import roots_of
    from torchx.workspace.unchanged import nothing_changed

    settle(ws)
    projects = resolve_projects(Workspace.from_str(str(ws)), contextlib.ExitStack())
    newest, roots = max(p.lstat().st_ctime_ns for p in (ws, *ws.rglob("*"))), roots_of(projects)

    def unchanged(newest: int, roots: list[list[int]]) -> bool:
        return nothing_changed(projects, roots=roots, newest=newest, started=time.time_ns() + 10**10, pruned=[])

    assert unchanged(newest, roots)
    assert not unchanged(newest + 1, roots)
    assert not unchanged(newest - 1, roots)
    assert not unchanged(newest, [[roots[0][0], roots[0][1] + 1]])


def remove(path: Path) -> Path:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return path


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda ws: (ws / "pkg" / "mod.py").write_text("x = 2222\n"),
    "same size": lambda ws: (ws / "pkg" / "mod.py").write_text("x = 9\n"),
    "same size and time": lambda ws: os.utime(
        (ws / "pkg" / "mod.py", (ws / "pkg" / "mod.py").write_text("x = 9\n"))[0], ns=(5, 5)
    ),
    "mode": lambda ws: (ws / "train.py").chmod(0o755),
    "folder mode": lambda ws: (ws / "pkg").chmod(0o700),
    "new": lambda ws: (ws / "pkg" / "new.py").write_text("new"),
    "new folder": lambda ws: (ws / "pkg" / "a" / "b").mkdir(parents=True),
    "removed": lambda ws: (ws / "pkg" / "deep" / "leaf.txt").unlink(),
    "removed folder": lambda ws: (ws / "empty").rmdir(),
    "renamed": lambda ws: (ws / "pkg").rename(ws / "pkg2"),
    "link": lambda ws: (ws / "link").symlink_to("train.py"),
    "file to link": lambda ws: remove(ws / "train.py").symlink_to("pkg/mod.py"),
    "file to folder": lambda ws: remove(ws / "train.py").mkdir(),
    "folder to file": lambda ws: remove(ws / "empty").write_text(""),
    "full folder to file": lambda ws: remove(ws / "pkg" / "deep").write_text(""),
    "old file moved in": lambda ws: os.replace(ws / "train.py", ws / "pkg" / "mod.py"),
    "ignore file": lambda ws: (ws / ".torchxignore").write_text("pkg\n"),
}


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("aged", [True, False], ids=["aged", "fresh"])
def test_a_change_arrives_and_the_rest_stays(ws: Path, job: Path, snapshot: Take, change: str, aged: bool) -> None:
    if aged:
        settle(ws)
    build(ws, job)
    (job / "output.log").write_text("from the job")
    (job / "pkg" / "out").mkdir()
    before = inodes(job)
    CHANGES[change](ws)
    build(ws, job)
    wanted = snapshot(ws)
    if change == "ignore file":
        wanted = {name: entry for name, entry in wanted.items() if not name.startswith("pkg")}
    now = snapshot(job)
    assert now.pop("output.log")[1] == "from the job"
    assert now.pop("pkg/out")[1] == "/"
    if change in ("renamed", "ignore file"):
        now.pop("pkg")  # holds the job's output
    assert now == wanted
    untouched = {path for path, stamp in inodes(job).items() if before.get(path) == stamp}
    assert str(job / "output.log") in untouched
    assert os.listdir(job.parent) == ["job"]


def test_a_file_that_the_job_changed_is_not_removed_with_its_original(ws: Path, job: Path) -> None:
    build(ws, job)
    time.sleep(0.02)  # past the tick of the file system's clock
    (job / "train.py").write_text("changed by the job")
    (ws / "train.py").unlink()
    (ws / "pkg" / "mod.py").unlink()
    build(ws, job)
    assert (job / "train.py").read_text() == "changed by the job"
    assert not (job / "pkg" / "mod.py").exists()


def test_links_of_the_job_are_not_written_through(ws: Path, job: Path, tmp_path: Path) -> None:
    build(ws, job)
    outside = tmp_path / "outside"
    outside.mkdir()
    for path in (job / "pkg" / "deep" / "leaf.txt", job / "train.py"):
        path.unlink()
    (job / "pkg" / "deep").rmdir()
    (job / "pkg" / "deep").symlink_to(outside)
    (job / "train.py").symlink_to(outside / "train.py")
    build(ws, job)
    assert os.listdir(outside) == []
    assert (job / "pkg" / "deep" / "leaf.txt").read_text() == "leaf\n"
    assert not (job / "train.py").is_symlink()


def test_nothing_is_removed_through_a_link_of_the_job(ws: Path, job: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "leaf.txt").write_text("precious")
    (outside / "empty").mkdir()
    (ws / "pkg" / "empty").mkdir()
    settle(ws)
    build(ws, job)
    shutil.rmtree(job / "pkg")
    (job / "pkg").symlink_to(outside)
    shutil.rmtree(ws / "pkg")
    build(ws, job)
    assert (outside / "deep" / "leaf.txt").read_text() == "precious"
    assert (outside / "empty").is_dir()
    (ws / "pkg" / "deep").mkdir(parents=True)
    (ws / "pkg" / "deep" / "leaf.txt").write_text("new")
    build(ws, job)
    assert (outside / "deep" / "leaf.txt").read_text() == "precious"
    assert (job / "pkg" / "deep" / "leaf.txt").read_text() == "new"


def test_a_folder_of_the_job_in_the_way_is_named(ws: Path, job: Path) -> None:
    (job / "train.py").mkdir(parents=True)
    (job / "train.py" / "out").write_text("")
    with pytest.raises(WorkspaceError, match=r"train\.py` is a folder where the workspace has a file"):
        build(ws, job)
    assert os.listdir(job.parent) == ["job"]


@pytest.mark.usefixtures("umask")
def test_a_job_dir_inside_the_workspace_is_not_copied_into_itself(ws: Path, snapshot: Take) -> None:
    wanted = snapshot(ws)
    for _ in range(2):
        build(ws, ws / "jobs" / "1")
        got = snapshot(ws / "jobs" / "1")
        assert got.pop("jobs", None) in (None, (0o755, "/"))
        assert got == wanted


def test_a_workspace_may_be_its_own_copy(ws: Path) -> None:
    before = inodes(ws)
    assert build(ws, ws).image == str(ws)
    assert inodes(ws) == before


def test_a_relative_job_dir_becomes_absolute(ws: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert build(ws, "out").image == str(tmp_path / "out")
    assert (tmp_path / "out" / "train.py").exists()


def test_roles_share_a_copy(ws: Path, job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = assemble.publish

    def counting(workspace: Workspace, target: str) -> None:
        calls.append(target)
        real(workspace, target)

    monkeypatch.setattr(assemble, "publish", counting)
    roles = [Role(name=name, image=name, workspace=Workspace({str(ws): ""})) for name in ("a", "b")]
    DirWorkspaceMixin().build_workspaces(roles, {"job_dir": str(job)})
    assert [role.image for role in roles] == [str(job)] * 2
    assert len(calls) == 1


def test_different_workspaces_of_one_app_do_not_mix(ws: Path, tmp_path: Path, job: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "train.py").write_text("other")
    roles = [
        Role(name=name, image="i", workspace=Workspace({str(path): ""}))
        for name, path in (("a", ws), ("../b", other), ("c", ws), ("d", other))
    ]
    for _ in range(2):
        for role in roles:
            role.image = "i"
        DirWorkspaceMixin().build_workspaces(roles, {"job_dir": str(job)})
        further = f"{job}/.torchx-roles/..%2Fb"
        assert [role.image for role in roles] == [str(job), further, str(job), further]
        assert (job / "train.py").read_text() == "print('hi')\n"
        assert (Path(further) / "train.py").read_text() == "other"


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("main", "trainer", "x"), id="a folder of the first workspace"),
        pytest.param(("main", "a b", "a_b"), id="names that differ in one character"),
        pytest.param(("main", "r" * 300, "r" * 301), id="names longer than a folder's"),
    ],
)
def test_further_workspaces_have_folders_of_their_own(names: tuple[str, ...], tmp_path: Path, job: Path) -> None:
    (tmp_path / "0" / "trainer").mkdir(parents=True)
    (tmp_path / "0" / "trainer" / "first.py").write_text("")
    for k in (1, 2):
        (tmp_path / f"{k}").mkdir()
        (tmp_path / f"{k}" / f"{k}.py").write_text("")
    roles = [Role(name=n, image="i", workspace=Workspace({str(tmp_path / f"{k}"): ""})) for k, n in enumerate(names)]
    for _ in range(2):
        DirWorkspaceMixin().build_workspaces(roles, {"job_dir": str(job)})
        assert os.listdir(job / "trainer") == ["first.py"]
        assert [os.listdir(role.image) for role in roles[1:]] == [["1.py"], ["2.py"]]


def test_two_roles_through_the_deprecated_method(ws: Path, job: Path) -> None:
    assert [build(ws, job).image for _ in range(2)] == [str(job)] * 2


def test_several_projects_each_with_its_ignore_file(ws: Path, tmp_path: Path, job: Path, snapshot: Take) -> None:
    lib = tmp_path / "lib"
    (lib / "pkg").mkdir(parents=True)
    (lib / "pkg" / "mod.py").write_text("of lib")
    (lib / "data.bin").write_text("")
    (lib / ".torchxignore").write_text("*.bin\n.torchxignore\n")
    (ws / "data.bin").write_text("of ws")
    role = Role(name="r", image="i", workspace=Workspace({str(ws): "", str(lib): ".", str(lib / "data.bin"): "x/one"}))
    for _ in range(2):
        DirWorkspaceMixin().build_workspaces([role], {"job_dir": str(job)})
        got = snapshot(job)
        assert got["pkg/mod.py"][1] == "of lib"
        assert got["data.bin"][1] == "of ws"
        assert got["x/one"][1] == ""
        assert "pkg/deep/leaf.txt" in got
    before = inodes(job)
    DirWorkspaceMixin().build_workspaces([role], {"job_dir": str(job)})
    assert inodes(job) == before
    (lib / "pkg" / "mod.py").unlink()
    DirWorkspaceMixin().build_workspaces([role], {"job_dir": str(job)})
    assert snapshot(job)["pkg/mod.py"][1] == "x = 1\n"


@pytest.mark.parametrize("target", ["..", "/abs", "a/../../b"])
def test_a_project_outside_the_image_is_refused(ws: Path, job: Path, target: str) -> None:
    role = Role(name="r", image="i", workspace=Workspace({str(ws): target}))
    with pytest.raises(WorkspaceError, match="outside the workspace"):
        DirWorkspaceMixin().build_workspaces([role], {"job_dir": str(job)})


def test_projects_that_disagree_are_named(ws: Path, tmp_path: Path, job: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "pkg").write_text("a file")
    for workspace in (Workspace({str(ws): "", str(other): "."}),):
        role = Role(name="r", image="i", workspace=workspace)
        with pytest.raises(WorkspaceError, match="pkg"):
            DirWorkspaceMixin().build_workspaces([role], {"job_dir": str(job)})
    assert not job.exists()
    role.workspace = Workspace({str(other): "", str(ws): "."})
    DirWorkspaceMixin().build_workspaces([role], {"job_dir": str(job)})
    assert (job / "pkg" / "mod.py").exists()


def test_a_workspace_on_another_file_system(job: Path, snapshot: Take) -> None:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    for name, text in {"a.py": "1", "data/big": "2", "pkg/b.py": "3", ".torchxignore": "data\n"}.items():
        fs.pipe_file(f"/remote/{name}", text.encode())
    assert build("memory://remote", job).image == str(job)
    assert sorted(snapshot(job)) == [".torchxignore", "a.py", "pkg", "pkg/b.py"]
    before = inodes(job)
    build("memory://remote", job)
    assert inodes(job) == before
    fs.rm("/remote/a.py")
    build("memory://remote", job)
    assert sorted(snapshot(job)) == [".torchxignore", "pkg", "pkg/b.py"]
    with pytest.raises(WorkspaceNotFoundError, match="memory://nowhere"):
        build("memory://nowhere", job)
    with pytest.raises(WorkspaceNotFoundError, match="nosuch"):
        build("nosuch://x", job)


def test_a_subclass_with_the_deprecated_method_is_asked(ws: Path, job: Path) -> None:
    class Mine(DirWorkspaceMixin):
        def build_workspace_and_update_role(self, role: Role, workspace: str, cfg: object) -> None:
            role.image = f"mine {workspace}"

    role = Role(name="r", image="i", workspace=Workspace({str(ws): ""}))
    Mine().build_workspaces([role], {"job_dir": str(job)})
    assert role.image == f"mine {ws}"


def test_two_submissions_at_once(ws: Path, job: Path, snapshot: Take) -> None:
    for number in range(200):
        (ws / f"f{number}").write_text(str(number))
    errors: list[BaseException] = []

    def submit() -> None:
        try:
            build(ws, job)
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert snapshot(job) == snapshot(ws)
    assert os.listdir(job.parent) == ["job"]


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the file system look like one that makes us wait for each file."""
    monkeypatch.setattr(parallel, "SAMPLE", 1)
    switches = iter(range(0, 10**9, 10**6))
    monkeypatch.setattr(parallel, "voluntary_switches", lambda: next(switches))


@pytest.mark.usefixtures("threads", "umask")
def test_threads_copy_the_same(rich_ws: Path, job: Path, snapshot: Take) -> None:
    for number in range(700):
        (rich_ws / f"f{number}").write_text(str(number))
    build(rich_ws, job)
    assert snapshot(job) == snapshot(rich_ws)


@pytest.mark.usefixtures("threads")
def test_threads_name_what_fails(unprivileged: Path) -> None:
    for number in range(50):
        (unprivileged / "ws" / f"d{number}").mkdir(parents=True)
        (unprivileged / "ws" / f"d{number}" / "f").write_text("")
    (unprivileged / "ws" / "d7" / "f").chmod(0)
    with pytest.raises(WorkspaceError, match=r"can't copy the workspace's file `.*/ws/d7/f`: Permission denied"):
        build(unprivileged / "ws", unprivileged / "job")
    assert os.listdir(unprivileged) == ["ws"]


def test_files_that_change_size_while_they_are_copied_are_copied_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10)
    real = os.fstat

    class Stale:
        def __init__(self, found: os.stat_result, size: int) -> None:
            self.st_mode, self.st_mtime_ns, self.st_ctime_ns = found.st_mode, found.st_mtime_ns, found.st_ctime_ns
            self.st_size, self.st_ino = size, found.st_ino

    for size in (4, 20, 10**9):
        monkeypatch.setattr(os, "fstat", lambda fd, size=size: Stale(real(fd), size))
        fastcopy.copy_files(str(tmp_path), str(tmp_path), [("f", f"copy{size}")], 0o022)
        assert (tmp_path / f"copy{size}").read_bytes() == b"x" * 10


@pytest.mark.parametrize("error", [errno.EXDEV, errno.ENOSYS])
def test_file_systems_that_cannot_copy_by_themselves(
    rich_ws: Path, job: Path, snapshot: Take, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(reader: int, writer: int, size: int) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fastcopy, "_copy_range", refuse)
    build(rich_ws, job)
    assert snapshot(job) == snapshot(rich_ws)


def test_a_closed_parent_folder_is_written_from_inside(unprivileged: Path) -> None:
    (unprivileged / "ws").mkdir()
    (unprivileged / "ws" / "train.py").write_text("1")
    (unprivileged / "jobs" / "job").mkdir(parents=True)
    (unprivileged / "jobs").chmod(0o555)
    build(unprivileged / "ws", unprivileged / "jobs" / "job")
    assert os.listdir(unprivileged / "jobs" / "job") == ["train.py"]
    with pytest.raises(WorkspaceError, match=r"can't write the workspace to .*jobs/other"):
        build(unprivileged / "ws", unprivileged / "jobs" / "other")


def test_read_only_folders_can_be_brought_up_to_date(unprivileged: Path) -> None:
    ws, job = unprivileged / "ws", unprivileged / "job"
    (ws / "locked").mkdir(parents=True)
    (ws / "locked" / "a").write_text("1")
    (ws / "locked").chmod(0o555)
    build(ws, job)
    (ws / "locked").chmod(0o755)
    (ws / "locked" / "a").write_text("22")
    (ws / "locked").chmod(0o555)
    build(ws, job)
    assert (job / "locked" / "a").read_text() == "22"
    assert (job / "locked").stat().st_mode & 0o777 == 0o555


def test_an_unreadable_file_is_named_and_a_staging_folder_with_read_only_folders_removed(unprivileged: Path) -> None:
    ws = unprivileged / "ws"
    (ws / "locked").mkdir(parents=True)
    (ws / "locked" / "a").write_text("1")
    (ws / "locked").chmod(0o555)
    (ws / "z").write_text("1")
    (ws / "z").chmod(0)
    with pytest.raises(WorkspaceError, match=r"can't copy the workspace's file `.*/ws/z`: Permission denied"):
        build(ws, unprivileged / "job")
    assert os.listdir(unprivileged) == ["ws"]


def test_a_full_disk_is_one_clear_error(ws: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        (ws / "big").write_bytes(bytes(300_000))
        with pytest.raises(WorkspaceError, match=r"can't copy the workspace's file `.*/big`: No space left on device"):
            build(ws, small / "job")
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_home_that_cannot_be_written_does_no_harm(ws: Path, job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_HOME", "/proc/nowhere")
    for _ in range(2):
        assert build(ws, job).image == str(job)


def test_old_records_are_forgotten(
    ws: Path, tmp_path: Path, torchx_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchx.workspace.record.KEEP", 3)
    for number in range(5):
        build(ws, tmp_path / f"job{number}")
    assert len(list((torchx_home / "workspaces").iterdir())) == 3


def test_the_temporary_workspace(
    rich_ws: Path, snapshot: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    roles = [Role(name=n, image="i", workspace=Workspace({str(rich_ws): ""})) for n in "ab"]
    TmpDirWorkspaceMixin().build_workspaces(roles, {})
    for role in roles:
        assert snapshot(Path(role.image)) == snapshot(rich_ws)
    (rich_ws / "out").symlink_to("/etc")
    with pytest.raises(UnsafeWorkspaceError):
        TmpDirWorkspaceMixin().build_workspaces(roles, {})
    assert len(list((tmp_path / "tmp").iterdir())) == 2


names = st.sampled_from(["a", "b", "c", "d.py", "é"])
trees = st.recursive(
    st.one_of(st.text(max_size=3), st.just(None)),
    lambda below: st.dictionaries(names, below, max_size=4),
    max_leaves=12,
).filter(lambda tree: isinstance(tree, dict))


def write(tree: object, root: Path) -> None:
    """Makes a tree: a dict is a folder, text a file, None a link to the folder it is in."""
    assert isinstance(tree, dict)
    root.mkdir()
    for name, entry in tree.items():
        if isinstance(entry, dict):
            write(entry, root / name)
        elif entry is None:
            (root / name).symlink_to(".")
        else:
            (root / name).write_text(entry)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(trees, min_size=2, max_size=4))
def test_a_copy_follows_any_sequence_of_states(
    states: list[object], tmp_path_factory: pytest.TempPathFactory, snapshot: Take
) -> None:
    root = tmp_path_factory.mktemp("states")
    for number, tree in enumerate(states):
        if number:
            (root / "ws").rename(root / f"old{number}")
        write(tree, root / "ws")
        build(root / "ws", root / "job")
        assert snapshot(root / "job") == snapshot(root / "ws")
