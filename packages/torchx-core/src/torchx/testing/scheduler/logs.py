"""Every line of a replica is read whole, once and in order."""

from __future__ import annotations

import pytest

from torchx.errors import TorchXError
from torchx.specs.api import AppState
from torchx.testing.jobs import ROLE
from torchx.testing.scheduler.contract import SchedulerContract
from torchx.testing.suite import needs
from torchx.testing.waiting import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.testing.jobs import Jobs

MANY = 20_000
"""Lines of the long log: more than any reader's buffer holds."""


def _assert_same(lines: list[str], expected: list[str]) -> None:
    """Compares long logs. Pytest's own comparison of two of them takes minutes when they differ."""
    assert len(lines) == len(expected), f"{len(lines)} lines instead of {len(expected)}"
    for number, (line, wanted) in enumerate(zip(lines, expected, strict=True)):
        same = line == wanted
        assert same, (
            f"line {number} is {line[:80]!r}... of {len(line)} characters, not {wanted[:80]!r}... of {len(wanted)}"
        )


class LogChecks(SchedulerContract):
    """``log_iter``: whole lines, once, in order."""

    @needs("has_logs")
    def test_long_log_is_whole_and_in_order(self, jobs: Jobs) -> None:
        app_id = jobs.run(f"seq -f 'line %.0f äöü€😀' {MANY}")
        expected = [f"line {n} äöü€😀\n" for n in range(1, MANY + 1)]
        _assert_same(jobs.lines(app_id), expected)
        jobs.end(app_id)
        _assert_same(jobs.lines(app_id), expected)
        _assert_same(jobs.lines(app_id, should_tail=False), expected)

    @needs("has_logs")
    def test_long_line_is_one_line(self, jobs: Jobs) -> None:
        app_id = jobs.run("seq 40000 | tr '\\n' ' '; echo; echo end")
        _assert_same(jobs.lines(app_id), ["".join(f"{n} " for n in range(1, 40001)) + "\n", "end\n"])

    @needs("has_logs")
    def test_line_that_is_written_bit_by_bit_is_one_line(self, jobs: Jobs) -> None:
        app_id = jobs.run("printf 'one \\303'; sleep 0.5; printf '\\274 l'; sleep 0.5; echo 'ine'; echo two")
        assert jobs.lines(app_id) == ["one ü line\n", "two\n"]

    @needs("has_logs")
    def test_last_line_needs_no_end(self, jobs: Jobs) -> None:
        app_id = jobs.run("echo one; printf two")
        assert [line.rstrip("\n") for line in jobs.lines(app_id)] == ["one", "two"]

    @needs("has_logs")
    def test_only_line_feeds_end_lines(self, jobs: Jobs) -> None:
        app_id = jobs.run("printf '10%%\\r20%%\\f30%%\\v\\302\\205\\342\\200\\250end\\n\\n \\n'")
        assert jobs.lines(app_id) == ["10%\r20%\f30%\v\x85\u2028end\n", "\n", " \n"]

    @needs("has_logs")
    def test_bytes_that_are_no_text_are_replaced(self, jobs: Jobs) -> None:
        app_id = jobs.run("printf 'a\\377b\\nnext\\n'")
        assert jobs.lines(app_id) == ["a\ufffdb\n", "next\n"]

    @needs("has_logs")
    def test_job_without_output_has_no_lines(self, jobs: Jobs) -> None:
        assert jobs.lines(jobs.run("true")) == []

    @needs("has_logs")
    def test_without_tail_what_is_there_is_read_at_once(self, jobs: Jobs) -> None:
        app_id = jobs.run("echo ready; sleep 600")
        assert until(lambda: jobs.lines(app_id, should_tail=False), self.timeout) == ["ready\n"]

    @needs("has_logs")
    def test_follower_gets_lines_while_the_job_runs_and_ends_with_it(self, jobs: Jobs) -> None:
        app_id = jobs.run("echo ready; exec sleep 600")
        lines = iter(jobs.scheduler.log_iter(app_id, ROLE, should_tail=True))
        assert next(lines) == "ready\n"
        assert jobs.describe(app_id).state == AppState.RUNNING
        jobs.scheduler.cancel(app_id)
        assert [*lines] == []

    @needs("has_logs")
    def test_failed_job_keeps_its_log(self, jobs: Jobs) -> None:
        app_id = jobs.run("echo reason; exit 1")
        jobs.end(app_id)
        assert jobs.lines(app_id) == ["reason\n"]

    @needs("has_logs", "runs_several_replicas")
    def test_replicas_have_their_own_logs(self, jobs: Jobs) -> None:
        app_id = jobs.run(f"seq -f 'replica '$1' %.0f' {MANY // 10}", "${replica_id}", num_replicas=2)
        for k in range(2):
            assert jobs.lines(app_id, k=k) == [f"replica {k} {n}\n" for n in range(1, MANY // 10 + 1)]

    @needs("has_logs")
    @pytest.mark.parametrize(("role", "k"), [("no_such_role", 0), (ROLE, 7)], ids=["role", "replica"])
    def test_log_of_what_is_not_there_is_an_error(self, jobs: Jobs, role: str, k: int) -> None:
        app_id = jobs.run("true")
        jobs.end(app_id)
        with pytest.raises(TorchXError):
            jobs.lines(app_id, role, k)

    @needs("has_logs")
    def test_log_of_an_unknown_job_is_an_error(self, jobs: Jobs) -> None:
        with pytest.raises(TorchXError):
            jobs.lines("nothing")
