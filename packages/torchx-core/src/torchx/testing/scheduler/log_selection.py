"""A part of a log: by pattern, by stream, by time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from torchx.schedulers.api import Stream
from torchx.testing.scheduler.contract import SchedulerContract
from torchx.testing.suite import needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.testing.jobs import Jobs

HOUR = timedelta(hours=1)


class LogSelectionChecks(SchedulerContract):
    """``log_iter``: ``regex``, ``streams``, ``since`` and ``until``."""

    @needs("has_logs")
    @pytest.mark.parametrize(
        ("regex", "expected"),
        [
            ("loss", ["step 1 loss=3\n", "step 2 loss=2\n"]),
            ("^step 2", ["step 2 loss=2\n"]),
            ("3$", ["step 1 loss=3\n"]),
            ("nothing", []),
            ("[äö]", ["ä ö\n"]),
        ],
        ids=["anywhere", "start", "end", "none", "unicode"],
    )
    def test_regex_chooses_lines(self, jobs: Jobs, regex: str, expected: list[str]) -> None:
        app_id = jobs.run("echo 'step 1 loss=3'; echo 'step 2 loss=2'; echo 'ä ö'; echo")
        assert jobs.lines(app_id, regex=regex) == expected

    @needs("has_logs", "separates_streams")
    def test_streams_are_kept_apart(self, jobs: Jobs) -> None:
        app_id = jobs.run("echo out; echo err >&2")
        assert jobs.lines(app_id, streams=Stream.STDOUT) == ["out\n"]
        assert jobs.lines(app_id, streams=Stream.STDERR) == ["err\n"]

    @needs("has_logs")
    def test_both_streams_are_read_by_default(self, jobs: Jobs) -> None:
        app_id = jobs.run("echo out; echo err >&2")
        assert sorted(jobs.lines(app_id)) == ["err\n", "out\n"]
        assert sorted(jobs.lines(app_id, streams=Stream.COMBINED)) == ["err\n", "out\n"]

    @needs("has_logs", "selects_by_time")
    def test_times_before_and_after_the_job(self, jobs: Jobs) -> None:
        app_id = jobs.run("echo hello")
        jobs.end(app_id)
        now = datetime.now(timezone.utc)
        assert jobs.lines(app_id, since=now - HOUR) == ["hello\n"]
        assert jobs.lines(app_id, since=now + HOUR) == []
        assert jobs.lines(app_id, until=now - HOUR) == []
        assert jobs.lines(app_id, since=now - HOUR, until=now + HOUR) == ["hello\n"]

    @needs("has_logs", "selects_by_time")
    def test_time_cuts_between_lines(self, jobs: Jobs) -> None:
        app_id = jobs.run("date +%s; sleep 3; echo late")
        jobs.end(app_id)
        early, late = jobs.lines(app_id)
        # The first line was written within a second of the time in it, the last one three seconds later.
        for cut in (datetime.fromtimestamp(int(early) + 2), datetime.fromtimestamp(int(early) + 2, timezone.utc)):
            assert jobs.lines(app_id, since=cut) == [late]
            assert jobs.lines(app_id, until=cut) == [early]
