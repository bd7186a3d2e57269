"""What the suites share: tests that can't be hidden, flags that are shown, fixtures that are asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from torchx.testing import (
    ConformanceOverrideError,
    PluginConformance,
    SchedulerConformance,
    TrackerConformance,
    WorkspaceConformance,
    replaces,
)
from torchx.testing.processes import elsewhere
from torchx.testing.waiting import until, within

if TYPE_CHECKING:
    from pathlib import Path

SUITES = [SchedulerConformance, WorkspaceConformance, TrackerConformance, PluginConformance]


def test_hiding_a_test_is_refused() -> None:
    with pytest.raises(
        ConformanceOverrideError, match=r"TestMine overrides `test_two_dry_runs_of_one_app_are_two_jobs`"
    ):

        class TestMine(SchedulerConformance):
            def test_two_dry_runs_of_one_app_are_two_jobs(self) -> None:  # type: ignore[override]  # what is refused
                pass


def test_removing_a_test_is_refused() -> None:
    with pytest.raises(ConformanceOverrideError):
        type("TestMine", (TrackerConformance,), {"test_runs_do_not_mix": None})


def test_hiding_a_test_by_another_base_is_refused() -> None:
    class Mixin:
        def test_runs_do_not_mix(self) -> None:
            pass

    with pytest.raises(ConformanceOverrideError):
        type("TestMine", (Mixin, TrackerConformance), {})
    type("TestMine", (TrackerConformance, Mixin), {})  # here the suite's own test wins


def test_hiding_a_test_of_ones_own_suite_is_refused() -> None:
    class Mine(TrackerConformance):
        def test_more(self) -> None:
            pass

    with pytest.raises(ConformanceOverrideError):
        type("TestMine", (Mine,), {"test_more": lambda self: None})


def test_a_test_may_be_replaced_with_a_reason() -> None:
    class TestMine(TrackerConformance):
        @replaces("runs share their metadata here")
        def test_runs_do_not_mix(self) -> None:  # type: ignore[override]  # another way to test it
            pass

    assert TestMine.test_runs_do_not_mix is not TrackerConformance.test_runs_do_not_mix  # type: ignore[comparison-overlap]  # it was replaced


def test_a_replacement_needs_a_reason_and_something_to_replace() -> None:
    with pytest.raises(ConformanceOverrideError):
        replaces(" ")
    with pytest.raises(ConformanceOverrideError, match="replaces no test"):

        class TestMine(TrackerConformance):
            @replaces("a slip of the pen")
            def test_runs_do_not_mixx(self) -> None:
                pass


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.__name__)
def test_every_test_of_a_suite_needs_only_flags_that_exist(suite: type) -> None:
    flags = {
        f for name in dir(suite) if name.startswith("test") for f in getattr(getattr(suite, name), "_torchx_needs", ())
    }
    assert {flag: getattr(suite, flag) for flag in flags} == dict.fromkeys(flags, True)


def test_suite_shows_what_is_lacking_missing_and_unequal(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import pytest\n"
        "from torchx.testing import PluginConformance, TrackerConformance\n"
        "class TestPlugin(PluginConformance): pass\n"
        "class TestTracker(TrackerConformance):\n"
        "    finds_children = False\n"
        "    @pytest.fixture\n"
        "    def factory(self): return 'torchx.tracker.backend.fsspec:create'\n"
        "    @pytest.fixture\n"
        "    def tracker(self):\n"
        "        from torchx.tracker.backend.fsspec import create\n"
        f"        tracker = create({str(tmp_path / 'runs')!r})\n"
        "        tracker.metadata = lambda run: {'loss': 'invented'}\n"
        "        return tracker\n"
    )
    tests = "test_it_is_found or children or merged"
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-k", tests, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert re.search(r"1 failed, 1 skipped, \d+ deselected, 1 error", done.stdout), done.stdout + done.stderr
    assert "TestTracker.finds_children is False" in done.stdout
    assert "define the fixture `distribution` in the subclass of PluginConformance" in done.stdout
    assert "{'loss': 'invented'} != {'loss': 'low'}" in done.stdout  # the values are shown, as in any test of one's own


def test_another_process_gets_values_and_answers() -> None:
    assert elsewhere("print('noise')\nresult = [name, len(sys.argv)]", name="ü\n") == ["ü\n", 1]
    with pytest.raises(AssertionError, match="exit status 3"):
        elsewhere("sys.exit(3)")


def test_waiting_has_an_end() -> None:
    with pytest.raises(AssertionError, match="the moon did not happen within"):
        until(lambda: False, 0.05, "the moon")
    with pytest.raises(AssertionError, match="it did not end within"):
        within(0.05, lambda: until(lambda: False, 0.5))
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
