"""Replicas that the batch system ended for a reason that it tells in its log, such as one that was out of memory."""

from __future__ import annotations

from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from torchx.schedulers.batch.replica_states import ReplicaNote

STARTED_AGAIN = "torchx: started again"
"""Line of a job's log: what stands before it is about an earlier try."""

_BY_SIGKILL = 128 + 9


@dataclass(frozen=True)
class Kill:
    """What the log tells of some replicas of a role; which role, it does not tell.

    Attributes:
        hosts: the nodes, as the batch system writes them; the names of replicas' hosts may be longer.
        replicas: their numbers.
        why: in words.
    """

    hosts: tuple[str, ...]
    replicas: tuple[int, ...]
    why: str


def last_try(log: str) -> str:
    """The part of a job's log that is about its last try."""
    return log.rpartition(STARTED_AGAIN)[2]


def killed_replicas(
    kills: Iterable[Kill], record: Mapping[str, Any], notes: Mapping[tuple[str, int], ReplicaNote]
) -> dict[tuple[str, int], str]:
    """Which replicas the log is about, and why they were killed.

    Replicas of several roles with one number may have shared a node: it is then the one that was ended by the signal
    with which a kernel does it, the first one where that tells nothing (a shell may go on when its child was killed).

    Args:
        kills: what the log tells.
        record: what was submitted.
        notes: what the replicas noted.
    """
    found: dict[tuple[str, int], str] = {}
    for kill in kills:
        for k in kill.replicas:
            here = [(role["name"], k) for role in record["roles"] if _is_on(notes.get((role["name"], k)), kill.hosts)]
            here.sort(key=lambda replica: notes[replica].code != _BY_SIGKILL)
            if here:
                found.setdefault(here[0], kill.why)
    return found


def _is_on(note: ReplicaNote | None, hosts: tuple[str, ...]) -> bool:
    return note is not None and (note.host in hosts or note.host.partition(".")[0] in hosts)
