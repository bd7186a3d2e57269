"""What the base class of batch schedulers adds: one job for one dry run, folders, states without the batch system."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.core.batch.folder_batch import FolderBatch, FolderScheduler
from torchx.errors import TorchXError, TransientError, UsageError
from torchx.schedulers.api import Stream
from torchx.specs.api import AppDef, AppState, Resource, Role
from torchx.testing import Jobs

if TYPE_CHECKING:
    from torchx.schedulers.batch import BatchJob, BatchSystem


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


def test_job_that_was_submitted_elsewhere_is_deleted_with_its_folder(
    root: Path, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The batch system knows where that is; where it is not to be seen, that is told."""
    first, second = jobs.run("true"), jobs.run("true")
    for app_id in (first, second):
        jobs.end(app_id)
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "another home"))
    real = FolderBatch.query

    def query(system: FolderBatch, app_ids: list[str]) -> dict[str, BatchJob]:
        found = real(system, app_ids)
        for app_id, job in found.items():
            job.folder = str(folder_of(root, app_id))
        return found

    monkeypatch.setattr(FolderBatch, "query", query)
    elsewhere = FolderScheduler("session", str(root))
    elsewhere.delete(first)
    assert not folder_of(root, first).exists()
    assert (elsewhere.describe(first), caplog.records) == (None, [])
    folder = folder_of(root, second)
    folder.rename(folder.with_name("moved"))
    elsewhere.delete(second)
    [record] = caplog.records
    assert f"{folder} stays" in record.getMessage()


def test_since_and_until_are_refused(jobs: Jobs) -> None:
    """Lines carry no times: a log that is not selected must not look as if it were."""
    from datetime import datetime, timezone

    app_id = jobs.run("echo hello")
    now = datetime.now(timezone.utc)
    for since, until in ((now, None), (None, now)):
        with pytest.raises(UsageError, match="have no times") as caught:
            jobs.lines(app_id, since=since, until=until)
        assert caught.value.hint


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


WHOLE: dict[str, object] = {"name": "x", "metadata": {}, "roles": []}
ROLES: list[object] = [{}, [{}], [1], [{"name": "a", "spec": {"image": ""}}]]


@pytest.mark.parametrize(
    "record",
    [
        "{",
        "[]",
        *(json.dumps({k: v for k, v in WHOLE.items() if k != name}) for name in WHOLE),
        *(json.dumps({**WHOLE, "roles": roles}) for roles in ROLES),
    ],
)
def test_damaged_record_of_a_job_hides_no_state(root: Path, jobs: Jobs, record: str) -> None:
    app_id = jobs.run("true")
    jobs.end(app_id)
    folder = folder_of(root, app_id)
    (folder / "job.json").write_text(record)
    again = FolderScheduler("session", str(root))
    described = again.describe(app_id)
    assert described is not None
    assert (described.state, described.roles) == (AppState.SUCCEEDED, [])
    with pytest.raises(TorchXError, match="can't be found") as caught:
        again.log_source(app_id, "worker", 0)
    assert "damaged" in (caught.value.hint or "")
    again.delete(app_id)
    assert not folder.exists()


def test_folder_that_cannot_be_made_is_one_error(root: Path, jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    info = jobs.scheduler._submit_dryrun(jobs.app(jobs.role("true")), {"job_dir": str(tmp_path / "file")})
    with pytest.raises(TorchXError, match="can't write the job's files") as caught:
        jobs.scheduler.schedule(info)
    assert caught.value.hint
    assert submitted(root) == 0


def test_cancel_ends_in_its_time_whatever_the_batch_system_does(
    root: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try hangs; together they take no longer than one."""
    app_id = jobs.run("sleep 600")

    def hang(system: BatchSystem, app_id: str) -> None:
        try:
            system.commands.run(["sleep", "60"], timeout=30)
        except TransientError as error:
            raise TransientError("no answer") from error

    with monkeypatch.context() as hanging:
        hanging.setattr("torchx.schedulers.batch.scheduler.CANCEL_TIMEOUT", 1.0)
        hanging.setattr("tests.core.batch.folder_batch.FolderBatch.cancel", hang)
        began = time.monotonic()
        with pytest.raises(TransientError, match="no answer"):
            jobs.scheduler.cancel(app_id)
        assert time.monotonic() - began < 5
    jobs.scheduler.cancel(app_id)
    jobs.end(app_id)


def test_cancel_counts_its_time_from_the_beginning(root: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not from the first failure, which is slow to come."""
    app_id = jobs.run("sleep 600")

    def refuse(system: BatchSystem, app_id: str) -> None:
        with contextlib.suppress(TransientError):
            system.commands.run(["sleep", "1.5"])
        raise TransientError("no answer")

    with monkeypatch.context() as slow:
        slow.setattr("torchx.schedulers.batch.scheduler.CANCEL_TIMEOUT", 3.0)
        slow.setattr("tests.core.batch.folder_batch.FolderBatch.cancel", refuse)
        began = time.monotonic()
        with pytest.raises(TransientError, match="no answer"):
            jobs.scheduler.cancel(app_id)
        assert time.monotonic() - began < 4
    jobs.scheduler.cancel(app_id)
    jobs.end(app_id)


def calls(root: Path) -> int:
    return len((root / "calls").read_text().splitlines()) if (root / "calls").exists() else 0


def test_who_waits_and_follows_shares_one_question(root: Path, jobs: Jobs, tmp_path: Path) -> None:
    """And the end is seen at once: it is in the job's folder."""
    from torchx.runner import Runner

    app_id = jobs.run(f"until [ -e {tmp_path}/go ]; do sleep 0.1; done")
    runner = Runner("session", {"folder": lambda session_name, **_: jobs.scheduler})
    ended = [threading.Event() for _ in range(2)]

    def wait() -> None:
        runner.wait(f"folder://session/{app_id}", wait_interval=0.2)
        ended[0].set()

    def follow() -> None:
        for _ in runner.log_blocks(f"folder://session/{app_id}", should_tail=True):
            pass
        ended[1].set()

    threads = [threading.Thread(target=do, daemon=True) for do in (wait, follow)]
    for thread in threads:
        thread.start()
    assert not ended[0].wait(2)
    (tmp_path / "go").touch()
    assert all(event.wait(8) for event in ended)
    assert calls(root) == 1
    for thread in threads:
        thread.join()


def test_who_asks_once_is_answered_from_now(root: Path, jobs: Jobs) -> None:
    app_id = jobs.run("sleep 600")
    for _ in range(3):
        jobs.describe(app_id)
    assert calls(root) == 3
    assert jobs.scheduler.poll(app_id) is not None
    assert calls(root) == 3
    jobs.scheduler.cancel(app_id)
    jobs.end(app_id)


def test_log_of_a_job_of_which_nothing_began_is_what_the_batch_system_wrote(root: Path, jobs: Jobs) -> None:
    info = jobs.dryrun(jobs.app(jobs.role("echo never", num_replicas=2)))
    job = Path(info.request.folder)
    info.request.scripts = lambda folder: {
        "job.sh": f'#!/bin/sh\ncd {folder}; echo "no such account" >batch.log; echo 1 >end.new; mv end.new end\n'
    }
    app_id = jobs.schedule(info)
    assert jobs.lines(app_id, k=1) == ["batch.log: no such account\n"]
    assert jobs.end(app_id).state == AppState.FAILED
    assert jobs.lines(app_id, should_tail=False) == ["batch.log: no such account\n"]
    from torchx.runner._logs import LogQuery, log_blocks

    for should_tail in (True, False):
        replicas = [("worker", 0), ("worker", 1)]
        blocks = [*log_blocks(jobs.scheduler, app_id, replicas, LogQuery(should_tail=should_tail))]
        assert [block for _, block in blocks] == [b"batch.log: no such account\n"]
    assert job.is_dir()


def test_job_of_somebody_else_has_no_logs_and_that_is_told(root: Path, jobs: Jobs) -> None:
    from torchx.runner import Runner

    app_id = jobs.run("true")
    jobs.end(app_id)
    folder_of(root, app_id).rename(root / "elsewhere")
    runner = Runner("session", {"folder": lambda session_name, **_: jobs.scheduler})
    with pytest.raises(TorchXError, match="can't be found"):
        [*runner.log_blocks(f"folder://session/{app_id}", [("worker", 0)])]
    jobs.describe(app_id)
    with pytest.raises(TorchXError, match="none of its replicas") as caught:
        runner.log_blocks(f"folder://session/{app_id}")
    assert "without torchx" in (caught.value.hint or "")


def test_equal_ids_of_two_clusters_are_two_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One home folder, on two of them."""
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tests.core.batch.folder_batch.FolderBatch.cluster", lambda self: self.root.name)
    both = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        resource = Resource(cpu=1, gpu=0, memMB=1)
        scheduler = FolderScheduler("session", str(tmp_path / name))
        both.append(Jobs(scheduler, cfg={}, image="", resource=resource, timeout=30))
    ids = [jobs.run(f"echo {n}; exit {n}") for n, jobs in enumerate(both)]
    assert ids[0] == ids[1]
    assert [jobs.lines(ids[0]) for jobs in both] == [["0\n"], ["1\n"]]
    assert [jobs.end(ids[0]).state for jobs in both] == [AppState.SUCCEEDED, AppState.FAILED]
    both[0].scheduler.delete(ids[0])
    assert both[0].scheduler.describe(ids[0]) is None
    assert both[1].lines(ids[0]) == ["1\n"]
