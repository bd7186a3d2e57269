"""Where a job of the local scheduler runs that is given a workspace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import fsspec
import pytest

from torchx.runner import get_runner
from torchx.schedulers.local_scheduler import LocalDirectoryImageProvider, LocalScheduler
from torchx.specs import AppDef, AppState, Role, Workspace
from torchx.workspace.errors import WorkspaceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchx.runner import Runner


@pytest.fixture
def runner() -> Iterator[Runner]:
    with get_runner("test") as runner:
        yield runner


def submit(
    runner: Runner, workspace: Workspace | str | None = None, own: Workspace | None = None, *, delete: bool = True
) -> list[str]:
    """The lines that a job prints which lists the folder it runs in."""
    role = Role("r", image="img", entrypoint="sh", args=["-c", "pwd; ls; cat */*.txt"], workspace=own)
    handle = cast("str", runner.run(AppDef("job", [role]), "local_cwd", workspace=workspace))
    status = runner.wait(handle, timeout=60)
    lines = [line.rstrip("\n") for line in runner.log_lines(handle, "r")]
    assert status is not None
    assert status.state is AppState.SUCCEEDED, lines
    if delete:
        runner.delete(handle)
    return lines


def make(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / "sub").mkdir(parents=True, exist_ok=True)
        (folder / "sub" / f"{name}.txt").write_text(text)
    return folder


@pytest.mark.parametrize("form", ["{}", "file://{}"], ids=["path", "url"])
def test_one_local_folder_is_used_where_it_is(runner: Runner, tmp_path: Path, form: str) -> None:
    folder = make(tmp_path / "project", a="text of a\n")
    (folder / ".torchxignore").write_text("sub\n")  # nothing is copied, so nothing is left out
    assert submit(runner, form.format(folder)) == [str(folder), "sub", "text of a"]


def test_without_one_it_is_the_current_folder(runner: Runner, tmp_path: Path) -> None:
    make(tmp_path / "cwd", a="here\n")
    assert submit(runner) == [str(tmp_path / "cwd"), "sub", "here"]


def test_a_role_keeps_its_own(runner: Runner, tmp_path: Path) -> None:
    own, shared = make(tmp_path / "own", a="own\n"), make(tmp_path / "shared", a="shared\n")
    assert submit(runner, str(shared), own=Workspace.from_str(str(own)))[-1] == "own"


def test_several_projects_are_put_together_and_kept_up_to_date(runner: Runner, tmp_path: Path, home: Path) -> None:
    one, two = make(tmp_path / "one", a="1\n", ignored="no\n"), make(tmp_path / "two", b="2\n")
    (one / ".torchxignore").write_text("**/ignored.txt\n.torchxignore\n")
    workspace = Workspace({str(one): "", str(two): "lib"})
    folder, *names = submit(runner, workspace, delete=False)
    assert names == ["lib", "sub", "1"]
    assert (Path(folder) / "lib" / "sub" / "b.txt").read_text() == "2\n"
    assert Path(folder).parent == home / "local_workspaces"
    assert Path(folder).parent.stat().st_mode & 0o777 == 0o700
    make(one, a="changed\n")
    assert submit(runner, workspace) == [folder, "lib", "sub", "changed"]


def test_a_url_is_fetched(runner: Runner) -> None:
    fsspec.filesystem("memory").pipe("/local-cwd/sub/a.txt", b"from memory\n")
    assert submit(runner, "memory://local-cwd")[1:] == ["sub", "from memory"]


@pytest.mark.parametrize("form", ["/nowhere", "file:///nowhere", "{/nowhere: lib}"], ids=["path", "url", "mapping"])
def test_one_that_does_not_exist_is_refused_by_name(runner: Runner, form: str) -> None:
    app = AppDef("job", [Role("r", image="", entrypoint="python", args=["train.py"])])
    with pytest.raises(WorkspaceNotFoundError, match=r"workspace `.*/nowhere` does not exist") as caught:
        runner.run(app, "local_cwd", workspace=form)
    assert caught.value.exit_code == 2


def test_a_scheduler_that_takes_none_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = make(tmp_path / "image", a="in the image\n")
    (folder / "list").write_text("#!/bin/sh\npwd\n")
    (folder / "list").chmod(0o755)
    scheduler = LocalScheduler("test", LocalDirectoryImageProvider)
    app = AppDef("job", [Role("r", image=str(folder), entrypoint="list")])
    app_id = scheduler.submit(app, {}, workspace="/some/folder")
    assert "takes no workspaces: `/some/folder` stays on this machine" in caplog.text
    caplog.clear()
    scheduler.delete(scheduler.submit(app, {}, workspace=os.getcwd()))  # what `torchx run` gives to every scheduler
    scheduler.delete(app_id)
    assert not caplog.text


def test_the_last_job_of_a_workspace_takes_the_folder_with_it_that_it_was_put_together_in(
    runner: Runner, tmp_path: Path, home: Path
) -> None:
    one, two = make(tmp_path / "one", a="1\n"), make(tmp_path / "two", b="2\n")
    workspace = Workspace({str(one): "", str(two): "lib"})

    def dryrun() -> Any:
        role = Role("r", image="img", entrypoint="cat", args=["lib/sub/b.txt"])
        return runner.dryrun(AppDef("job", [role]), "local_cwd", workspace=workspace)

    def folders() -> list[Path]:
        return [path for path in (home / "local_workspaces").iterdir() if path.is_dir()]

    handles = [runner.schedule(dryrun()) for _ in range(2)]
    waiting = dryrun()
    for handle, left in zip(handles, (1, 0), strict=True):
        runner.wait(handle, timeout=60)
        runner.delete(handle)
        assert len(folders()) == left
    # A dry run from before finds its folder again.
    handle = runner.schedule(waiting)
    status = runner.wait(handle, timeout=60)
    assert status is not None
    assert status.state is AppState.SUCCEEDED
    assert [*runner.log_lines(handle, "r")] == ["2\n"]
    runner.delete(handle)
    assert folders() == []
