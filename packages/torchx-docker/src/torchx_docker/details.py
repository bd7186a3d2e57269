"""What is asked about single containers, beyond the one call that tells the states of all: why some have failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchx.util.light_dataclass import dataclass
from torchx_docker.replica import kept
from torchx_docker.request import ERROR_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from torchx_docker.client import Engine
    from torchx_docker.replica import Replica

MOST_EXPLAINED = 3
"""Failed replicas of a job whose reasons are asked for, by two calls each, once; the others tell their exit codes."""

MOST_COUNTED = 4
"""Replicas of a job that the engine may start again, and that are asked how often it has; of more, none."""

MOST_KEPT = 1000
"""Runs of replicas that are remembered."""

KILLED = 137
"""The exit code of a program that the kernel has killed."""

MOST_OF_AN_ERROR = 64 * 1024
"""Bytes of a replica's own error file that are taken."""


@dataclass(frozen=True)
class Run:
    """One run of a container that has failed; it changes no more.

    Attributes:
        record: the engine's full record of the container.
        error: what the replica has written about its error itself; empty where it has not.
    """

    record: Mapping[str, Any]
    error: str


@dataclass(frozen=True)
class Details:
    """What is known of a job's replicas beyond their states, by container id.

    Attributes:
        records: the engine's full records, of those that were asked for.
        errors: what failed replicas have reported themselves.
    """

    records: Mapping[str, Mapping[str, Any]]
    errors: Mapping[str, str]


class Inspector:
    """Asks an engine about single containers, a bounded number of times for each job, and once for each failure.

    Args:
        engine: the engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._runs: dict[tuple[str, int], Run] = {}

    def details_of(self, replicas: Sequence[Replica]) -> Details:
        """The details of failed replicas, and of the few that the engine may have started again."""
        runs = {r.container: run for r in worth_explaining(replicas) if (run := self._run(r)) is not None}
        records = {container: run.record for container, run in runs.items()}
        restarted = [r for r in replicas if r.retries > 0 and not kept(r, replicas)]
        if len(restarted) <= MOST_COUNTED:
            for replica in restarted:
                if replica.container not in records and (record := self._engine.inspect(replica.container)):
                    records[replica.container] = record
        return Details(records, {container: run.error for container, run in runs.items() if run.error})

    def _run(self, replica: Replica) -> Run | None:
        key = (replica.container, replica.marks.retries)
        if key in self._runs:
            return self._runs[key]
        record = self._engine.inspect(replica.container)
        if record is None:
            return None
        told = self._engine.read_file(replica.container, ERROR_FILE, MOST_OF_AN_ERROR) or b""
        run = Run(record, told.decode("utf-8", "replace").strip())
        if replica.ended and not _may_have_run_out_of_memory(replica, record):
            if len(self._runs) >= MOST_KEPT:
                del self._runs[next(iter(self._runs))]
            self._runs[key] = run
        return run


def worth_explaining(replicas: Sequence[Replica]) -> list[Replica]:
    """Those failed replicas that are most likely to tell why their job failed: what was killed takes others with it."""
    failed = [r for r in replicas if r.failed]
    return sorted(failed, key=lambda r: r.exit_code != KILLED)[:MOST_EXPLAINED]


def _may_have_run_out_of_memory(replica: Replica, record: Mapping[str, Any]) -> bool:
    """The engine hears that a container was killed, and why, at about the same time, in any order."""
    return replica.ended_lately and replica.exit_code == KILLED and not record["State"].get("OOMKilled")
