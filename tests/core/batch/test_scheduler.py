"""What the base class of batch schedulers adds: one job for one dry run, folders, states without the batch system."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.core.batch.folder_batch import FolderScheduler
from torchx.errors import TorchXError, TransientError, UsageError
from torchx.schedulers.api import Stream
from torchx.specs.api import AppDef, AppState, Resource, Role
from torchx.testing import Jobs


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The batch system's own folder."""
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("torchx.schedulers.batch.submission.SUBMIT_TIMEOUT", 3.0)
    root = tmp_path / "batch"
    root.mkdir()
    return root


@pytest.fixture
def scheduler(root: Path) -> FolderScheduler:
    return FolderScheduler("session", str(root))


@pytest.fixture
def jobs(scheduler: FolderScheduler) -> Jobs:
    return Jobs(scheduler, cfg={}, image="", resource=Resource(cpu=1, gpu=0, memMB=1), timeout=30)


def submitted(root: Path) -> int:
    return len([*root.glob("*/key")])


def folder_of(root: Path, app_id: str) -> Path:
    return Path((root / app_id / "folder").read_text())


def test_job_whose_answer_was_lost_is_found_by_its_key(root: Path, jobs: Jobs) -> None:
    (root / "lose answers").touch()
    app_id = jobs.run("echo once")
    assert jobs.lines(app_id) == ["once\n"]
    assert submitted(root) == 1


def test_lost_answer_is_remembered_by_another_scheduler(
    root: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchx.schedulers.batch.submission.SUBMIT_TIMEOUT", 0.0)
    info = jobs.dryrun(jobs.app(jobs.role("sleep 1")))
    (root / "lose answers").touch()
    with pytest.raises(TransientError):
        jobs.scheduler.schedule(info)
    again = FolderScheduler("later", str(root))
    app_id = again.schedule(info)
    assert submitted(root) == 1
    assert again.schedule(info) == app_id
    jobs.end(app_id)


def test_refused_job_leaves_nothing(root: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*args: object) -> str:
        raise TorchXError("no such queue")

    monkeypatch.setattr("tests.core.batch.folder_batch.FolderBatch.submit", refuse)
    with pytest.raises(TorchXError, match="no such queue"):
        jobs.run("true")
    assert [*(tmp_path / "home" / "folder" / "jobs").iterdir()] == []
    assert [*(tmp_path / "home" / "folder" / "registry" / "keys").glob("*.json")] == []


def test_folder_is_for_the_user_alone_and_holds_the_record(root: Path, jobs: Jobs) -> None:
    app_id = jobs.run("true", env={"API_TOKEN": "hunter2"})
    folder = folder_of(root, app_id)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        if path.suffix in (".json", ".sh"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    record = json.loads((folder / "job.json").read_text())
    assert record["roles"][0]["spec"]["env"]["API_TOKEN"] == "hunter2"
    jobs.end(app_id)


def test_job_dir_holds_the_folder(root: Path, jobs: Jobs, tmp_path: Path) -> None:
    scheduler = jobs.scheduler
    request = scheduler._submit_dryrun(jobs.app(jobs.role("true")), {"job_dir": str(tmp_path / "my dir")}).request
    assert Path(request.folder).parent == tmp_path / "my dir" / ".torchx-jobs"


def test_description_has_what_was_submitted(root: Path, jobs: Jobs) -> None:
    role = Role("train er", "/image", entrypoint="sh", args=["-c", "exit 4"], num_replicas=2, port_map={"http": 80})
    role.resource = Resource(cpu=2, gpu=1, memMB=64)
    app = AppDef("my app", [role], {"team": "a"})
    app_id = jobs.schedule(jobs.dryrun(app))
    described = jobs.end(app_id)
    assert (described.name, described.metadata, described.state) == ("my app", {"team": "a"}, AppState.FAILED)
    assert described.roles[0].args == role.args
    assert described.roles[0].resource == role.resource
    assert [(r.id, r.state, r.hostname) for r in described.roles_statuses[0].replicas] == [
        (k, AppState.FAILED, os.uname().nodename) for k in range(2)
    ]
    assert "exit code 4" in described.msg


def test_traceback_of_the_replica_that_failed_is_told(jobs: Jobs) -> None:
    code = "import sys; sys.exit(0) if sys.argv[1] == '0' else 1 / 0"
    role = jobs.role("", num_replicas=2)
    role.entrypoint, role.args = "python3", ["-c", code, "${replica_id}"]
    described = jobs.end(jobs.submit(role))
    assert "ZeroDivisionError" in described.structured_error_msg
    assert [r.state for r in described.roles_statuses[0].replicas] == [AppState.SUCCEEDED, AppState.FAILED]


def test_job_that_the_batch_system_forgot_is_judged_by_its_own_note(root: Path, jobs: Jobs) -> None:
    good, bad = jobs.run("true"), jobs.run("exit 3")
    for app_id in (good, bad):
        jobs.end(app_id)
        os.rename(root / app_id, root / f".gone-{app_id}")
    assert jobs.describe(good).state == AppState.SUCCEEDED
    described = jobs.describe(bad)
    assert (described.state, described.msg) == (AppState.FAILED, f"worker/0 on {os.uname().nodename}: exit code 3")


def test_folder_that_is_gone_hides_no_state(root: Path, jobs: Jobs) -> None:
    app_id = jobs.run("sleep 600")
    folder = folder_of(root, app_id)
    folder.rename(folder.with_name("moved"))
    described = jobs.describe(app_id)
    assert (described.state, described.roles) == (AppState.RUNNING, [])
    with pytest.raises(TorchXError, match="can't be found"):
        jobs.lines(app_id)
    jobs.scheduler.cancel(app_id)


def test_many_replicas_are_followed_with_few_questions(root: Path, jobs: Jobs) -> None:
    from torchx.runner._logs import LogQuery, log_blocks

    app_id = jobs.run("for n in 1 2 3 4 5; do echo $n; sleep 0.2; done", num_replicas=20)
    (root / "calls").unlink(missing_ok=True)
    replicas = [("worker", k) for k in range(20)]
    lines = dict.fromkeys(replicas, b"")
    for replica, block in log_blocks(jobs.scheduler, app_id, replicas, LogQuery(should_tail=True)):
        lines[replica] += block
    assert {*lines.values()} == {b"1\n2\n3\n4\n5\n"}
    assert len((root / "calls").read_text().splitlines()) <= 1


def test_streams_are_merged_line_by_line(jobs: Jobs) -> None:
    code = "printf 'half '; echo err >&2; sleep 0.3; echo whole; printf last"
    app_id = jobs.run(code)
    assert sorted(jobs.lines(app_id)) == ["err\n", "half whole\n", "last"]
    assert jobs.lines(app_id, should_tail=False, streams=Stream.STDERR) == ["err\n"]
    assert sorted(jobs.lines(app_id, should_tail=False)) == ["err\n", "half whole\n", "last"]


def test_deleted_job_leaves_no_folder_and_a_later_one_may_have_its_id(root: Path, jobs: Jobs) -> None:
    app_id = jobs.run("true")
    jobs.end(app_id)
    folder = folder_of(root, app_id)
    jobs.scheduler.delete(app_id)
    assert not folder.exists()
    assert jobs.scheduler.describe(app_id) is None
    with pytest.raises(UsageError, match="there is no folder job"):
        jobs.lines(app_id)
    import shutil

    shutil.rmtree(root / app_id)
    assert jobs.run("true") == app_id
    assert jobs.end(app_id).state == AppState.SUCCEEDED


def test_since_and_until_are_told_to_be_ignored(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    from datetime import datetime, timezone

    app_id = jobs.run("echo hello")
    assert jobs.lines(app_id, since=datetime.now(timezone.utc)) == ["hello\n"]
    assert "since and until are ignored" in caplog.text


def test_job_of_another_cluster_with_the_same_id_is_not_mixed_up(
    root: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchx.schedulers.batch import BatchJob

    app_id = jobs.run("true")
    jobs.end(app_id)
    other = BatchJob(app_id, AppState.RUNNING, name="another", folder="/elsewhere")
    monkeypatch.setattr("tests.core.batch.folder_batch.FolderBatch.query", lambda *_: {app_id: other})
    described = jobs.describe(app_id)
    assert (described.name, described.roles) == ("another", [])


def test_folder_that_cannot_be_made_is_one_error(root: Path, jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    info = jobs.scheduler._submit_dryrun(jobs.app(jobs.role("true")), {"job_dir": str(tmp_path / "file")})
    with pytest.raises(TorchXError, match="can't write the job's files") as caught:
        jobs.scheduler.schedule(info)
    assert caught.value.hint
    assert submitted(root) == 0
