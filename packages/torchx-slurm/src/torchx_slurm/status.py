"""What Slurm's states mean, and what becomes of a job that has several parts."""

from __future__ import annotations

from torchx.schedulers.batch.exit_status import BY_SIGNAL, ended_text, signal_name
from torchx.schedulers.batch.job import QUEUED_AGAIN, BatchJob, BatchPart
from torchx.schedulers.replicas import job_state
from torchx.specs.api import AppState
from torchx.util.light_dataclass import dataclass, field
from torchx_slurm.nodes import expanded, is_several

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

SLURM_STATES: Mapping[str, AppState] = {
    "BOOT_FAIL": AppState.FAILED,
    "CANCELLED": AppState.CANCELLED,
    "COMPLETED": AppState.SUCCEEDED,
    "COMPLETING": AppState.RUNNING,
    "CONFIGURING": AppState.PENDING,
    "DEADLINE": AppState.FAILED,
    "FAILED": AppState.FAILED,
    "LAUNCH_FAILED": AppState.FAILED,
    "NODE_FAIL": AppState.FAILED,
    "OUT_OF_MEMORY": AppState.FAILED,
    "PENDING": AppState.PENDING,
    "POWER_UP_NODE": AppState.PENDING,
    "PREEMPTED": AppState.FAILED,
    "RECONFIG_FAIL": AppState.FAILED,
    "REQUEUED": AppState.PENDING,
    "REQUEUE_FED": AppState.PENDING,
    "REQUEUE_HOLD": AppState.PENDING,
    "RESIZING": AppState.RUNNING,
    "RESV_DEL_HOLD": AppState.PENDING,
    "REVOKED": AppState.CANCELLED,
    "RUNNING": AppState.RUNNING,
    "SIGNALING": AppState.RUNNING,
    "SPECIAL_EXIT": AppState.PENDING,
    "STAGE_OUT": AppState.RUNNING,
    "STOPPED": AppState.RUNNING,
    "SUSPENDED": AppState.RUNNING,
    "TIMEOUT": AppState.FAILED,
}
"""Slurm's states and state flags (https://slurm.schedmd.com/job_state_codes.html); any other is ``UNKNOWN``."""

_FLAGS = ("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "COMPLETING", "CONFIGURING", "POWER_UP_NODE")
"""Flags that say more than the state that they stand beside, the weightier first."""

_WORDS = {
    "BOOT_FAIL": "a node failed to boot",
    "DEADLINE": "the deadline could not be met",
    "LOST": "Slurm has lost the job: slurmctld does not know it, and its accounting knows of no end",
    "LAUNCH_FAILED": "the job could not be launched",
    "NODE_FAIL": "a node failed",
    "OUT_OF_MEMORY": "out of memory",
    "PREEMPTED": "PREEMPTED: preempted by another job",
    "REVOKED": "another cluster of the federation runs it",
    "SUSPENDED": "suspended",
    "STOPPED": "stopped",
    "TIMEOUT": "the time limit was reached",
}

_PENDING = {
    "AssocGrpCpuLimit": "the account's CPU limit is reached",
    "BeginTime": "it is to begin later",
    "Dependency": "waiting for another job",
    "DependencyNeverSatisfied": "the job that it waits for did not end as it should: it will never start",
    "JobArrayTaskLimit": "as many tasks of the array run as may at once",
    "JobHeldAdmin": "held by an administrator",
    "JobHeldUser": "held by the user",
    "Licenses": "waiting for a licence",
    "NodeDown": "a node that it needs is down",
    "PartitionConfig": "it asks for more than the partition has",
    "PartitionDown": "the partition is down",
    "PartitionNodeLimit": "it asks for more nodes than the partition allows",
    "PartitionTimeLimit": "it asks for more time than the partition allows",
    "Priority": "jobs of higher priority go first",
    "QOSMaxCpuPerUserLimit": "the CPU limit of the quality of service is reached",
    "ReqNodeNotAvail": "a node that it names is not available",
    "Reservation": "waiting for its reservation",
    "Resources": "waiting for free resources",
}
"""Why jobs wait (https://slurm.schedmd.com/job_reason_codes.html), the usual ones in words."""

_OWN_SIGNALS = {
    53: "the job's folder can't be used on its node: name one on the shared file system with job_dir",
    125: "out of memory",
}
"""What Slurm tells as the number of a signal, and is none."""

LOST = "LOST"
"""State of a job that slurmctld does not know, and that has not ended as far as accounting knows."""

_SAYS_NOTHING = ("", "None", "NonZeroExitCode", "(null)")


@dataclass(frozen=True)
class SlurmStep:
    """A step of a job: the batch script, or an ``srun``.

    Attributes:
        name: its number, ``batch`` or ``extern``.
        state: Slurm's word.
        code: exit code.
        signal: the signal that ended it; 0: none.
        sure: whether the code is right; it may be 128 too small else.
    """

    name: str
    state: str
    code: int | None = None
    signal: int = 0
    sure: bool = True


@dataclass(frozen=True)
class SlurmRow:
    """A job, a component of a heterogeneous job, or a task of an array, as one of Slurm's commands told it.

    Attributes:
        app_id: the id of the whole.
        part: number of the component or task; 0 for a job in one piece.
        states: Slurm's words, with flags.
        reason: why it is in this state.
        nodes: its nodes.
        name: the job's name.
        code: exit code; None: not told.
        signal: the signal that ended it; 0: none.
        restarts: how often it was queued again; -1: not told.
        command: path of its script.
        comment: the user's comment, and our key.
        steps: what it consists of; only from accounting.
        sure: whether the code is right; it may be 128 too small else.
    """

    app_id: str
    part: int
    states: tuple[str, ...]
    reason: str = ""
    nodes: str = ""
    name: str = ""
    code: int | None = None
    signal: int = 0
    restarts: int = -1
    command: str = ""
    comment: str = ""
    steps: tuple[SlurmStep, ...] = field(default_factory=tuple)
    sure: bool = True

    @property
    def state(self) -> AppState:
        """The state in TorchX's terms."""
        return app_state(self.states)


def app_state(states: Sequence[str]) -> AppState:
    """The meaning of a state with its flags.

    >>> app_state(["PENDING", "REQUEUED"]).name, app_state(["COMPLETED"]).name, app_state(["new word"]).name
    ('PENDING', 'SUCCEEDED', 'UNKNOWN')
    """
    if len(states) > 1 or (states and states[0] in _FLAGS):
        for flag in _FLAGS:
            if flag in states:
                return SLURM_STATES[flag]
    if not states:
        return AppState.UNKNOWN
    return AppState.FAILED if states[0] == LOST else SLURM_STATES.get(states[0], AppState.UNKNOWN)


def to_job(rows: Sequence[SlurmRow], failed_nodes: Collection[str] = ()) -> BatchJob:
    """A job from all that is told about its parts.

    Args:
        rows: at least one; all of one job.
        failed_nodes: nodes that are down, of those of jobs that a node's failure has ended.
    """
    rows = sorted(rows, key=lambda row: row.part)
    first = rows[0]
    state = job_state(row.state for row in rows)
    lost = {row.part: _lost_nodes(row, failed_nodes) for row in rows}
    parts = [_part(row, message(row, lost[row.part])) for row in rows]
    bare = {row.part: _status(row) for row in rows}
    told = _telling(parts, state, bare)
    command = first.command
    return BatchJob(
        app_id=first.app_id,
        state=state,
        name=first.name,
        msg=told.msg if told else "",
        bare=told is not None and told.msg == bare[told.role],
        restarts=max(row.restarts for row in rows),
        parts=parts,
        lost=LOST in first.states,
        folder=command.rpartition("/")[0] if command.endswith("/job.sh") else None,
        native=[_plain(row) for row in rows],
        failed_nodes=tuple(dict.fromkeys(node for nodes in lost.values() for node in nodes)),
    )


def cause_of_requeue(state: str) -> str:
    """Why a job was queued again, where it is more than that somebody asked for it.

    Args:
        state: Slurm's word for the end of the run before.

    >>> cause_of_requeue("PREEMPTED"), cause_of_requeue("NODE_FAIL"), cause_of_requeue("REQUEUED")
    ('PREEMPTED: preempted by another job', 'NODE_FAIL: a node failed', '')
    """
    words = _WORDS.get(state, "")
    return words if words.startswith(state) or not words else f"{state}: {words}"


def message(row: SlurmRow, failed_nodes: Sequence[str] = ()) -> str:
    """Why a part is in its state, in words; empty where the state says it all.

    Args:
        row: the part.
        failed_nodes: those of its nodes that failed, as far as they are known.
    """
    state = row.state
    if state is AppState.PENDING:
        return _pending_message(row)
    words = [_WORDS[word] for word in row.states if word in _WORDS]
    words += [_WORDS[step.state] for step in row.steps if step.state in ("OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL")]
    if state is AppState.FAILED:
        if row.states[0] == "NODE_FAIL" and failed_nodes:
            words.append(", ".join(failed_nodes))
        ending = _ending(row)
        if ending and not (words and row.states[0] != "FAILED"):
            words.append(ending)
        if not words and row.reason not in _SAYS_NOTHING:
            words.append(row.reason)
    return ": ".join(dict.fromkeys(words))


def _lost_nodes(row: SlurmRow, failed: Collection[str]) -> list[str]:
    """The nodes of a part whose failure ended it: its only one, or those that are known to have failed."""
    if row.states[:1] != ("NODE_FAIL",) or not row.nodes:
        return []
    return [node for node in expanded(row.nodes) if node in failed] if is_several(row.nodes) else [row.nodes]


def _part(row: SlurmRow, msg: str) -> BatchPart:
    said = _failed_step(row) or row
    return BatchPart(row.part, row.state, msg, said.code if said.sure else None, said.signal, row.nodes)


def _telling(parts: Sequence[BatchPart], state: AppState, bare: Mapping[int, str]) -> BatchPart | None:
    """The first part that is in the state of the whole and has something to say.

    An out-of-memory kill or a node's failure says more than the exit code that came of it in another part, and a code
    that is sure more than one that is not.
    """
    told = [part for part in parts if part.state is state and part.msg]
    return min(told, key=lambda part: (part.msg == bare[part.role], part.exit_code is None), default=None)


def _pending_message(row: SlurmRow) -> str:
    reason = row.reason.strip("()")
    flags = [QUEUED_AGAIN] if "REQUEUED" in row.states or row.restarts > 0 else []
    if reason in _SAYS_NOTHING:
        return "".join(flags)
    name = reason.partition(",")[0]
    told = f"{reason}: {_PENDING[name]}" if name in _PENDING else reason
    return ", ".join([*flags, told])


def _failed_step(row: SlurmRow) -> SlurmStep | None:
    failed = (step for step in row.steps if step.name not in ("batch", "extern") and (step.code or step.signal))
    return next(failed, None)


def _ending(row: SlurmRow) -> str:
    """How a part ended, in words."""
    said = _failed_step(row) or row
    return _OWN_SIGNALS.get(said.signal) or _status(row)


def _status(row: SlurmRow) -> str:
    """The exit status of a part's first step that failed, else of its script, in words; empty where there is none."""
    said = _failed_step(row) or row
    if said.signal in _OWN_SIGNALS:
        return ""
    if said.signal:
        name = signal_name(said.signal)
        return f"killed by {name}" if name else f"Slurm's code 0:{said.signal}"
    if not said.code:
        return ""
    return ended_text(said.code) if said.sure else f"exit code {said.code} or {said.code + BY_SIGNAL}"


def _plain(row: SlurmRow) -> dict[str, object]:
    plain: dict[str, object] = {
        "job": row.app_id,
        "part": row.part,
        "state": list(row.states),
        "reason": row.reason,
        "nodes": row.nodes,
        "exit_code": _plain_code(row),
        "signal": row.signal,
    }
    if row.steps:
        plain["steps"] = [
            {"step": step.name, "state": step.state, "exit_code": _plain_code(step), "signal": step.signal}
            for step in row.steps
        ]
    return plain


def _plain_code(said: SlurmRow | SlurmStep) -> int | str | None:
    return said.code if said.sure or not said.code else f"{said.code} or {said.code + BY_SIGNAL}"
