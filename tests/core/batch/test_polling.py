"""An answer that is expensive is asked for rarely, however many want it."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest

from torchx.errors import TransientError
from torchx.schedulers.batch.polling import StatusPoll


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_to_a_minute_while_nothing_changes() -> None:
    clock, asked = Clock(), list[float]()
    poll = StatusPoll(lambda: asked.append(clock.now), clock=clock)
    for second in range(600):
        clock.now = float(second)
        for _ in range(100):
            poll.last()
    pauses = [after - before for before, after in pairwise(asked)]
    assert min(pauses) >= 10
    assert max(pauses) == pauses[-1] == 60
    assert pauses == sorted(pauses)


def test_a_change_is_followed_closely() -> None:
    clock, answers, asked = Clock(), ["PENDING"], list[float]()

    def ask() -> str:
        asked.append(clock.now)
        return answers[0]

    poll = StatusPoll(ask, clock=clock)
    for second in range(400):
        clock.now = float(second)
        if second == 300:
            answers[0] = "RUNNING"
        poll.last()
    change = next(at for at in asked if at >= 300)
    assert next(at - change for at in asked if at > change) == 10


def test_answer_of_somebody_else_is_as_good() -> None:
    clock, asked = Clock(), list[float]()
    poll = StatusPoll(lambda: asked.append(clock.now) or "RUNNING", clock=clock)  # type: ignore[func-returns-value]
    poll.tell("PENDING")
    clock.now = 9
    assert (poll.last(), asked) == ("PENDING", [])
    clock.now = 10
    assert (poll.last(), asked) == ("RUNNING", [10])


def test_signs_of_news_shorten_a_long_pause_and_no_more() -> None:
    clock, asked = Clock(), list[float]()

    def ask() -> str:
        asked.append(clock.now)
        return "RUNNING"

    poll = StatusPoll(ask, clock=clock)
    for second in range(200):
        clock.now = float(second)
        poll.last()
    last = asked[-1]
    poll.hurry()
    poll.last()
    assert asked[-1] == last or clock.now - last >= 10
    clock.now = last + 9
    poll.hurry()
    poll.last()
    assert asked[-1] == last or asked[-1] - last >= 10
    clock.now = max(last + 10, clock.now + 10)
    poll.last()
    assert asked[-1] == clock.now


def test_end_that_was_asked_for_is_looked_for_soon() -> None:
    clock, asked = Clock(), list[float]()

    def ask() -> str:
        asked.append(clock.now)
        return "RUNNING"

    poll = StatusPoll(ask, clock=clock)
    poll.last()
    poll.expect()
    for second in range(1, 30):
        clock.now = float(second)
        poll.last()
    pauses = [after - before for before, after in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 1
    assert pauses[-1] > 3


def test_failure_is_raised_once_and_not_repeated_before_its_time() -> None:
    clock, asked = Clock(), list[float]()

    def ask() -> str:
        asked.append(clock.now)
        if clock.now < 15:
            raise TransientError("away")
        return "RUNNING"

    poll = StatusPoll(ask, clock=clock)
    for second in range(12):
        clock.now = float(second)
        with pytest.raises(TransientError):
            poll.last()
    assert asked == [0, 10]
    clock.now = 25
    assert poll.last() == "RUNNING"


def test_many_threads_ask_once() -> None:
    asked = list[int]()

    def ask() -> str:
        asked.append(1)
        time.sleep(0.05)
        return "RUNNING"

    poll, answers = StatusPoll(ask), list[str]()
    threads = [threading.Thread(target=lambda: answers.append(poll.last())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(asked), answers) == (1, ["RUNNING"] * 20)
