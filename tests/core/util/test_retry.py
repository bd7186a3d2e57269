from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.util.retry import Backoff, retry


class FakeTime:
    def __init__(self) -> None:
        self.now = 50.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def failing(times: int, error: Exception) -> list[Exception]:
    return [error] * times


def attempts(errors: list[Exception]) -> object:
    if errors:
        raise errors.pop()
    return "done"


@given(st.floats(0.001, 10), st.floats(0.001, 100), st.floats(0.1, 1000))
def test_pauses_are_capped_and_end_at_the_total_time_out(first: float, cap: float, total: float) -> None:
    time = FakeTime()
    backoff = Backoff(first_delay=first, max_delay=cap, total_timeout=total, clock=time.clock)
    for _ in range(10_000):
        delay = backoff.next_delay()
        if delay is None:
            break
        assert 0 <= delay <= cap
        time.sleep(max(delay, total / 1000))
    assert time.now - 50 == pytest.approx(total, rel=0.01)


def test_pauses_double_with_jitter() -> None:
    backoff = Backoff(first_delay=1, max_delay=8, total_timeout=None)
    delays = [backoff.next_delay() for _ in range(6)]
    for delay, bound in zip(delays, [1, 2, 4, 8, 8, 8], strict=True):
        assert delay is not None
        assert bound / 2 <= delay <= bound
    assert backoff.failures == 6


def test_a_series_without_end_does_not_overflow() -> None:
    backoff = Backoff(total_timeout=None)
    assert all(backoff.next_delay() is not None for _ in range(5000))


def test_a_success_starts_anew() -> None:
    time = FakeTime()
    backoff = Backoff(first_delay=1, max_delay=100, total_timeout=10, clock=time.clock)
    assert backoff.next_delay() is not None
    time.sleep(11)
    assert backoff.next_delay() is None
    backoff.reset()
    delay = backoff.next_delay()
    assert delay is not None
    assert delay <= 1


def test_what_may_pass_is_tried_again() -> None:
    time = FakeTime()
    errors = failing(3, ConnectionError("reset"))
    assert retry(lambda: attempts(errors), transient=OSError, sleep=time.sleep, clock=time.clock) == "done"
    assert len(time.pauses) == 3


@pytest.mark.parametrize(
    "transient",
    [ConnectionError, (ConnectionError, TimeoutError), lambda e: isinstance(e, ConnectionError)],
    ids=["type", "types", "predicate"],
)
def test_what_will_not_pass_is_raised_at_once(transient: type[Exception]) -> None:
    time = FakeTime()
    with pytest.raises(ValueError, match="bad request"):
        retry(lambda: attempts([ValueError("bad request")]), transient=transient, sleep=time.sleep, clock=time.clock)
    assert time.pauses == []


def test_the_last_error_is_raised_when_time_is_up() -> None:
    time = FakeTime()
    errors = failing(1000, TimeoutError("no answer"))
    with pytest.raises(TimeoutError, match="no answer"):
        retry(lambda: attempts(errors), transient=OSError, total_timeout=30, sleep=time.sleep, clock=time.clock)
    assert time.now - 50 == pytest.approx(30)
    assert 3 < len(time.pauses) < 20


def test_the_other_sides_wish_to_be_left_alone_is_respected() -> None:
    time = FakeTime()
    errors = failing(1, TimeoutError("429"))
    retry(lambda: attempts(errors), transient=OSError, retry_after=lambda e: 12, sleep=time.sleep, clock=time.clock)
    assert time.pauses == [12]


def test_a_wish_longer_than_the_time_left_ends_it() -> None:
    time = FakeTime()
    errors = failing(1, TimeoutError("429"))
    with pytest.raises(TimeoutError):
        retry(lambda: attempts(errors), transient=OSError, retry_after=lambda e: 3600, sleep=time.sleep)
    assert time.pauses == []
