"""The suites notice what they are for: each plugin that breaks a promise fails the test of that promise."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.core.conformance import mutants
from torchx.schedulers.local_scheduler import LocalScheduler
from torchx.specs import Resource
from torchx.testing import Jobs, SchedulerConformance, TrackerConformance, WorkspaceConformance
from torchx.testing.trees import TREE, make_tree
from torchx.testing.workspace import Build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torchx.workspace.dir_workspace import DirWorkspaceMixin

FAILS = pytest.raises((AssertionError, KeyError, pytest.fail.Exception))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def submit_with() -> Iterator[Callable[[type[LocalScheduler]], Jobs]]:
    """Makes jobs of any scheduler; a right one ends them."""
    made: list[Jobs] = []

    def make(scheduler: type[LocalScheduler]) -> Jobs:
        made.append(Jobs(scheduler("test"), cfg={}, image="", resource=Resource(1, 0, 64), timeout=1.5))
        return made[-1]

    yield make
    for jobs in made:
        jobs.scheduler = LocalScheduler("test")
        jobs.timeout = 30
        jobs.clean_up()


@pytest.mark.parametrize(
    ("scheduler", "test"),
    [
        (mutants.ChangesTheApp, "test_dry_run_leaves_the_callers_app_and_options_alone"),
        (mutants.SubmitsTwice, "test_repeated_schedule_is_one_job"),
        (mutants.StripsArguments, "test_hostile_texts_arrive_byte_for_byte"),
        (mutants.CancelsNothing, "test_running_job_is_told_as_running_and_a_cancelled_one_as_cancelled"),
        (mutants.ForgetsTheFirstLine, "test_long_log_is_whole_and_in_order"),
        (mutants.RepeatsTheLastLine, "test_long_log_is_whole_and_in_order"),
        (mutants.CutsLines, "test_long_line_is_one_line"),
        (mutants.SplitsAtAnyLineBoundary, "test_only_line_feeds_end_lines"),
        (mutants.IgnoresTimes, "test_times_before_and_after_the_job"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_scheduler_that_breaks_a_promise_fails(
    submit_with: Callable[[type[LocalScheduler]], Jobs], scheduler: type[LocalScheduler], test: str
) -> None:
    with FAILS:
        getattr(SchedulerConformance(), test)(submit_with(scheduler))


def test_scheduler_that_deletes_nothing_fails(submit_with: Callable[[type[LocalScheduler]], Jobs]) -> None:
    suite = SchedulerConformance()
    suite.timeout = 0.5
    with FAILS:
        suite.test_deleted_job_is_forgotten(submit_with(mutants.DeletesNothing), "true")


def test_scheduler_that_raises_for_unknown_jobs_fails(submit_with: Callable[[type[LocalScheduler]], Jobs]) -> None:
    with FAILS:
        SchedulerConformance().test_unknown_job_is_none_and_no_error(
            submit_with(mutants.RaisesForUnknownJobs), "nothing"
        )


def test_scheduler_that_calls_an_unreachable_job_failed_fails(
    submit_with: Callable[[type[LocalScheduler]], Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def outage() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr("torchx.schedulers._local.store.hostname", lambda: "another-host")
            yield

    with FAILS:
        SchedulerConformance().test_state_is_unknown_while_the_backend_is_unreachable(
            submit_with(mutants.CallsTheUnknownFailed), outage
        )


def test_scheduler_whose_dry_run_starts_a_program_fails(
    submit_with: Callable[[type[LocalScheduler]], Jobs],
) -> None:
    suite = SchedulerConformance()
    check = suite.test_dry_run_sends_nothing_and_imports_no_client_package
    jobs = submit_with(LocalScheduler)
    with pytest.raises(AssertionError, match=r"subprocess\.Popen"):
        check(jobs, "tests.core.conformance.mutants:StartsAProgramInADryRun", {})
    suite.sdk = ("torchx.specs",)
    with pytest.raises(AssertionError, match=r"torchx\.specs"):
        check(jobs, "torchx.schedulers.local_scheduler:create_scheduler", {})


@pytest.mark.parametrize(
    ("builder", "test"),
    [
        (mutants.BuildsAlways, "test_unchanged_workspace_builds_nothing"),
        (mutants.LosesModes, "test_modes_arrive"),
        (mutants.AcceptsAMissingFolder, "test_workspace_that_does_not_exist_is_refused_by_name"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_workspace_builder_that_breaks_a_promise_fails(
    tmp_path: Path, builder: type[DirWorkspaceMixin], test: str
) -> None:
    job = tmp_path / "job"

    def unpack(role: object) -> Path:
        return job

    def fingerprint() -> object:
        return {path: path.lstat().st_mtime_ns for path in job.rglob("*")}

    make_tree(tmp_path / "source", TREE)
    known = {
        "build": Build(builder(), {"job_dir": str(job)}, "base"),
        "unpack": unpack,
        "fingerprint": fingerprint,
        "source": tmp_path / "source",
    }
    check = getattr(WorkspaceConformance(), test)
    wanted = check.__code__.co_varnames[1 : check.__code__.co_argcount]
    with FAILS:
        check(**{name: known[name] for name in wanted})


def test_tracker_that_loses_what_others_write_fails(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    config = str(tmp_path / "runs")
    suite = TrackerConformance()
    suite.writes = 100
    factory = "tests.core.conformance.mutants:create_one_file_tracker"
    with FAILS:
        suite.test_two_writers_at_once_lose_nothing(
            mutants.create_one_file_tracker(config), factory, config, tmp_path_factory
        )


def test_tracker_that_mixes_runs_fails(tmp_path: Path) -> None:
    with FAILS:
        TrackerConformance().test_runs_do_not_mix(mutants.create_mixing_tracker(str(tmp_path / "runs")))
