"""The lifecycle hooks in real submissions: what a site's policy may do, and what observers are told."""

from __future__ import annotations

import copy
import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from torchx.specs import AppDef, AppState, Role, Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.plugins.conftest import Site
    from torchx.runner import Runner

PROXY = """
    from torchx.plugins import hookimpl

    @hookimpl
    def torchx_transform_app(request):
        for role in request.app.roles:
            role.env["HTTPS_PROXY"] = "http://proxy:3128"
            role.args.append(f"{request.scheduler} {request.cfg['prepend_cwd']} {request.parent_run_id}")
        request.app.metadata["team"] = "site"
"""

QUOTA = """
    from torchx.errors import TorchXError
    from torchx.plugins import hookimpl

    @hookimpl
    def torchx_transform_app(request):
        if sum(role.num_replicas for role in request.app.roles) > 2:
            raise TorchXError("at most 2 replicas", hint="ask for more at the help desk")
"""

OBSERVER = """
    import json, os
    from torchx.plugins import hookimpl

    def note(*what):
        with open(os.environ["NOTES"], "a") as file:
            file.write(json.dumps(what) + "\\n")

    @hookimpl
    def torchx_app_submitted(event):
        note("submitted", event.scheduler, event.app_handle, event.app.name, event.app.roles[0].env["TORCHX_JOB_ID"])
        {then}

    @hookimpl
    def torchx_app_finished(event):
        note("finished", event.scheduler, event.app_handle, event.status.state.name)
        {then}
"""


def shell(code: str, **role: int) -> AppDef:
    return AppDef("job", [Role("w", "", entrypoint="sh", args=["-c", code, "sh"], **role)])  # type: ignore[arg-type]  # only counts are given


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that observers write to."""
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    return tmp_path / "notes"


def told(notes: Path) -> list[list[str]]:
    return [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []


def test_transformed_job_is_what_runs_and_the_callers_stays_as_it_was(site: Site, runner: Runner) -> None:
    site.plugin("proxy", PROXY)
    site.manager()
    app = shell('echo "$HTTPS_PROXY" "$1"')
    before = copy.deepcopy(app)
    handle = runner.run(app, "local_cwd", {"prepend_cwd": True}, parent_run_id="parent")
    assert isinstance(handle, str)
    assert [*runner.log_lines(handle, "w", should_tail=True)] == ["http://proxy:3128 local_cwd True parent\n"]
    assert app == before


def test_dry_run_shows_what_the_policy_made_of_the_job(site: Site, runner: Runner) -> None:
    site.plugin("proxy", PROXY)
    site.manager()
    info = runner.dryrun(shell("true"), "local_cwd")
    assert info._app is not None
    assert info._app.roles[0].env["HTTPS_PROXY"] == "http://proxy:3128"
    assert info._app.metadata["team"] == "site"
    assert "http://proxy:3128" in str(info)


def test_policy_sees_the_job_as_the_backend_will(site: Site, runner: Runner, notes: Path) -> None:
    site.plugin(
        "look",
        """
        import os
        from torchx.plugins import hookimpl

        @hookimpl
        def torchx_transform_app(request):
            with open(os.environ["NOTES"], "w") as file:
                file.write(",".join(sorted(request.app.metadata)) + " " + ",".join(sorted(request.app.roles[0].env)))
        """,
    )
    site.manager()
    runner.dryrun(shell("true"), "local_cwd", parent_run_id="parent")
    metadata, env = notes.read_text().split()
    assert {"torchx/scheduler", "torchx/version"} <= set(metadata.split(","))
    assert {"TORCHX_JOB_ID", "TORCHX_PARENT_RUN_ID"} <= set(env.split(","))


@pytest.mark.parametrize("dryrun", [False, True], ids=["run", "dry run"])
def test_refused_job_is_not_submitted_and_nobody_is_told(site: Site, runner: Runner, notes: Path, dryrun: bool) -> None:
    site.plugin("quota", QUOTA)
    site.plugin("zobserver", OBSERVER.format(then="pass"))
    site.manager()
    with pytest.raises(Exception, match="at most 2 replicas") as refused:
        runner.run(shell("true", num_replicas=3), "local_cwd", dryrun=dryrun)
    assert getattr(refused.value, "hint", None) == "ask for more at the help desk"
    assert runner.list("local_cwd") == []
    assert told(notes) == []
    assert runner.wait(str(runner.run(shell("true", num_replicas=2), "local_cwd"))) is not None


def test_refused_job_builds_no_workspace(site: Site, runner: Runner, tmp_path: Path) -> None:
    site.plugin("quota", QUOTA)
    site.manager()
    app = shell("true", num_replicas=3)
    app.roles[0].workspace = Workspace.from_str(str(tmp_path / "no_such_folder"))
    with pytest.raises(Exception, match="at most 2 replicas"):
        runner.run(app, "local_cwd")


def test_observers_are_told_once_each_of_start_and_end(site: Site, runner: Runner, notes: Path) -> None:
    site.plugin("observer", OBSERVER.format(then="pass"))
    site.manager()
    handle = str(runner.run(shell("exit 1"), "local_cwd"))
    assert told(notes) == [["submitted", "local_cwd", handle, "job", told(notes)[0][4]]]
    # The environment still holds the macro: the id is filled in by the scheduler.
    assert told(notes)[0][4].startswith("local_cwd://hooks/")
    status = runner.wait(handle)
    assert status is not None
    assert status.state is AppState.FAILED
    assert told(notes)[1:] == [["finished", "local_cwd", handle, "FAILED"]]


def test_dry_run_is_told_to_nobody(site: Site, runner: Runner, notes: Path) -> None:
    site.plugin("observer", OBSERVER.format(then="pass"))
    site.manager()
    runner.dryrun(shell("true"), "local_cwd")
    assert told(notes) == []


def test_observer_that_fails_affects_neither_the_job_nor_the_others(
    site: Site, runner: Runner, notes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.plugin("bad", OBSERVER.format(then="raise ValueError('boom')"))
    site.plugin("good", OBSERVER.format(then="pass"))
    site.manager()
    with caplog.at_level(logging.WARNING):
        handle = str(runner.run(shell("true"), "local_cwd"))
        status = runner.wait(handle)
    assert status is not None
    assert status.state is AppState.SUCCEEDED
    assert [note[0] for note in told(notes)] == ["submitted", "submitted", "finished", "finished"]
    messages = [record.getMessage().splitlines() for record in caplog.records]
    assert [lines[-1] for lines in messages] == ["ValueError: boom"] * 2
    assert [lines[0] for lines in messages] == [
        f"plugin `bad` failed in {hook}; the job is not affected"
        for hook in ("torchx_app_submitted", "torchx_app_finished")
    ]


def command_line(site: Site, tmp_path: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site.folder), "TORCHX_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "torchx", *argv]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("raised", "stderr"),
    [
        ("TorchXError('too big', hint='ask')", "error: too big\nhint: ask\n"),
        ("UsageError('two\\nlines')", "error: two lines\n"),
        (
            "ValueError('too big')",
            "error: ValueError: too big\nhint: `torchx --log_level DEBUG ...` shows where this comes from\n",
        ),
        ("RuntimeError()", "error: RuntimeError\nhint: `torchx --log_level DEBUG ...` shows where this comes from\n"),
    ],
    ids=["our error", "usage error", "any error", "no text"],
)
@pytest.mark.parametrize("dryrun", [[], ["--dryrun"]], ids=["run", "dry run"])
def test_command_line_shows_the_refusal_in_one_line(
    site: Site, tmp_path: Path, raised: str, stderr: str, dryrun: list[str]
) -> None:
    site.plugin(
        "quota",
        f"""
        from torchx.errors import TorchXError, UsageError
        from torchx.plugins import hookimpl

        @hookimpl
        def torchx_transform_app(request):
            raise {raised}
        """,
    )
    done = command_line(site, tmp_path, "run", "-s", "local_cwd", *dryrun, "utils.echo")
    assert (done.returncode, done.stdout, done.stderr) == (2 if "Usage" in raised else 1, "", stderr)
    assert command_line(site, tmp_path, "list").stdout == ""


@pytest.mark.parametrize(("program", "state"), [("true", "SUCCEEDED"), ("false", "FAILED")])
def test_observers_of_the_command_line_are_told_once_each(
    site: Site, tmp_path: Path, notes: Path, program: str, state: str
) -> None:
    site.plugin("observer", OBSERVER.format(then="pass"))
    done = command_line(site, tmp_path, "run", "-s", "local_cwd", "utils.sh", program)
    handle = done.stdout.strip()
    told_of = [note[:3] + ([note[3]] if note[0] == "finished" else []) for note in told(notes)]
    assert told_of == [["submitted", "local_cwd", handle], ["finished", "local_cwd", handle, state]]


def test_failing_observer_of_the_command_line_is_logged(site: Site, tmp_path: Path, notes: Path) -> None:
    site.plugin("bad", OBSERVER.format(then="raise ValueError('boom')"))
    done = command_line(site, tmp_path, "run", "-s", "local_cwd", "utils.echo")
    assert done.returncode == 0
    assert "plugin `bad` failed in torchx_app_submitted; the job is not affected" in done.stderr
    assert "plugin `bad` failed in torchx_app_finished; the job is not affected" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("SUCCEEDED")


def test_observers_are_told_once_however_often_a_job_is_submitted_and_waited_for(
    site: Site, runner: Runner, notes: Path
) -> None:
    site.plugin("observer", OBSERVER.format(then="pass"))
    site.manager()
    info = runner.dryrun(shell("true"), "local_cwd")
    handles = {runner.schedule(info), runner.schedule(info)}
    (handle,) = handles
    runner.wait(handle)
    runner.wait(handle)
    assert [note[0] for note in told(notes)] == ["submitted", "finished"]


def test_nobody_is_told_the_end_of_a_job_that_goes_on(site: Site, runner: Runner, notes: Path) -> None:
    site.plugin("observer", OBSERVER.format(then="pass"))
    site.manager()
    handle = str(runner.run(shell("exec sleep 60"), "local_cwd"))
    with pytest.raises(TimeoutError):
        runner.wait(handle, timeout=0.1)
    assert [note[0] for note in told(notes)] == ["submitted"]
    runner.cancel(handle)
    runner.wait(handle)
    assert told(notes)[1:] == [["finished", "local_cwd", handle, "CANCELLED"]]


def test_nobody_is_told_of_a_job_that_could_not_be_started(site: Site, runner: Runner, notes: Path) -> None:
    site.plugin("observer", OBSERVER.format(then="pass"))
    site.manager()
    app = shell("true")
    app.roles[0].entrypoint = "no_such_program"
    with pytest.raises(Exception, match="no_such_program"):
        runner.run(app, "local_cwd")
    assert told(notes) == []
