"""Names of containers: readable, unique, good as host names, and the record of what has happened to a replica.

A container's labels never change, but its name can: what must outlive the process that did it (this replica was
cancelled, it has been started again twice) is written behind the name, where everybody sees it, ``docker ps`` included:

    train-x1-trainer-0                  as it was started
    train-x1-trainer-0.cancelled        cancelled by a user
    train-x1-trainer-0.stopped          ended because another replica failed for good
    train-x1-trainer-0.retrying2        about to be started for the third time
    train-x1-trainer-0.retry2           started for the third time
"""

from __future__ import annotations

import re

from torchx.util.light_dataclass import dataclass

MAX_HOST = 63
"""Longest host name that resolvers take, in characters (RFC 1035)."""

MAX_APP = 30
"""Longest part of a job's name that is kept in its id."""

_MARK = re.compile(r"\.(?:retry(?P<retried>[0-9]{1,9})|retrying(?P<retrying>[0-9]{1,9})|(?P<end>cancelled|stopped))$")


def app_part(name: str) -> str:
    """What of a job's name becomes part of its id: lower-case letters, digits and single dashes.

    >>> app_part("My train_job!")
    'my-train-job'
    """
    return _plain(name)[:MAX_APP].strip("-") or "app"


def replica_host(app_id: str, role: str, k: int) -> str:
    """The name of a replica's container and its host name: at most 63 characters, another one for each replica.

    >>> replica_host("train-x1", "trainer", 0)
    'train-x1-trainer-0'
    """
    plain = _plain(role)
    room = MAX_HOST - len(app_id) - len(str(k)) - 2
    if plain != role or len(plain) > room:
        import hashlib

        end = hashlib.sha256(role.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        plain = f"{plain[: max(0, room - len(end) - 1)].strip('-')}-{end}".strip("-")
    return f"{app_id}-{plain}-{k}"


def cancellation_name(app_id: str) -> str:
    """The name of the container that is the record of a job's cancellation."""
    return f"{app_id}.cancelled"


def _plain(name: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", name.lower()))


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What a container's name tells beside the replica's.

    Attributes:
        cancelled: a user has cancelled it.
        stopped: it was ended because another replica failed for good.
        retries: how often the whole role or job was started again.
        retrying: it is about to be started again.
    """

    cancelled: bool = False
    stopped: bool = False
    retries: int = 0
    retrying: bool = False

    @property
    def suffix(self) -> str:
        """What stands behind the replica's name."""
        retries = f".retry{'ing' if self.retrying else ''}{self.retries}" if self.retries or self.retrying else ""
        return retries + (".cancelled" if self.cancelled else ".stopped" if self.stopped else "")


def read_marks(name: str) -> tuple[str, Marks]:
    """A container's name without its marks, and these.

    >>> read_marks("a-b-0.retry2.cancelled")
    ('a-b-0', Marks(cancelled=True, stopped=False, retries=2, retrying=False))
    """
    end, retries, retrying = "", 0, False
    while found := _MARK.search(name):
        name = name[: found.start()]
        end = end or found["end"] or ""
        if found["retried"] or found["retrying"]:
            retries, retrying = int(found["retried"] or found["retrying"]), bool(found["retrying"])
    marks = Marks(cancelled=end == "cancelled", stopped=end == "stopped", retries=retries, retrying=retrying)
    return name, marks
