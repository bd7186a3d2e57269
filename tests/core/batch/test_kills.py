"""What a batch system tells in a job's log about memory is blamed on the replica that it can only have been."""

from __future__ import annotations

import pytest

from torchx.schedulers.batch import Kill
from torchx.schedulers.batch.kills import killed_replicas
from torchx.schedulers.batch.replica_states import ReplicaNote

MEMORY = "out of memory"
CASES = {
    "alone": ({("a", 0): ("n1", 0), ("a", 1): ("n2", 0)}, {("a", 0)}, ""),
    "killed": ({("a", 0): ("n1", 137), ("a", 1): ("n1", 1)}, {("a", 0)}, ""),
    "another was killed": ({("a", 0): ("n1", 0), ("a", 1): ("n1.lab", 137)}, {("a", 1)}, ""),
    "of another role": ({("a", 0): ("n1", 0), ("b", 0): ("n1", 137)}, {("b", 0)}, ""),
    "shells went on": ({("a", 0): ("n1", 0), ("a", 1): ("n1", 9)}, set(), f"{MEMORY} on n1: a/0 or a/1"),
    "ended for its sake": ({("a", 0): ("n1", 1), ("a", 1): ("n1", -137)}, set(), f"{MEMORY} on n1: a/0 or a/1"),
    "many": (
        {("a", k): ("n1", 0) for k in range(8)},
        set(),
        f"{MEMORY} on n1: a/0, a/1, a/2 or another of the 8 replicas there",
    ),
    "elsewhere": ({("a", 0): ("n2", 137)}, set(), ""),
}


@pytest.mark.parametrize(("ends", "blamed", "doubt"), CASES.values(), ids=CASES)
def test_who_is_blamed(ends: dict[tuple[str, int], tuple[str, int]], blamed: set[tuple[str, int]], doubt: str) -> None:
    notes = {who: ReplicaNote(0, host, abs(code), 9, stopped=code < 0) for who, (host, code) in ends.items()}
    found = killed_replicas([Kill(("n1",), (0,), MEMORY)], notes)
    assert found == (dict.fromkeys(blamed, MEMORY), doubt)
