"""Replicas that the batch system ended for a reason that it tells in its log, such as one that was out of memory."""

from __future__ import annotations

from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchx.schedulers.batch.replica_states import ReplicaNote

STARTED_AGAIN = "torchx: started again"
"""Line of a job's log: what stands before it is about an earlier try."""

_BY_SIGKILL = 128 + 9

_MOST_NAMED = 4


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
    kills: Iterable[Kill], notes: Mapping[tuple[str, int], ReplicaNote]
) -> tuple[dict[tuple[str, int], str], str]:
    """Which replicas the log is about, and why they were killed; and where that can't be told, what can.

    A batch system watches all replicas on a node together, and may name the one that ended first. So it is those on the
    node that were ended by the signal with which a kernel does it, or the only one there: a shell may go on when its
    child was killed.

    Args:
        kills: what the log tells.
        notes: what the replicas noted.
    """
    found: dict[tuple[str, int], str] = {}
    doubt = ""
    for kill in kills:
        for host in kill.hosts:
            here = [replica for replica, note in notes.items() if host in (note.host, note.host.partition(".")[0])]
            killed = [replica for replica in here if notes[replica].code == _BY_SIGKILL and not notes[replica].stopped]
            sure = [replica for replica in killed if replica[1] in kill.replicas] or killed
            if sure or len(here) == 1:
                found.update(dict.fromkeys(sure or here, kill.why))
            elif here:
                doubt = doubt or f"{kill.why} on {host}: {_either(here)}"
    return found, doubt


def _either(replicas: list[tuple[str, int]]) -> str:
    names = [f"{role}/{k}" for role, k in replicas]
    if len(names) > _MOST_NAMED:
        names = [*names[: _MOST_NAMED - 1], f"another of the {len(names)} replicas there"]
    return f"{', '.join(names[:-1])} or {names[-1]}"
