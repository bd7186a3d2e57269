"""What schedulers for batch systems (Slurm, LSF, PBS, SGE, Flux) have in common.

A batch system has commands that submit a script, list jobs and cancel them, on machines that share a file system. What
is easily got wrong is here, once: users' strings in scripts, submissions whose answer is lost, logs without a status
call for each line, commands that hang, jobs that are asked about from another shell or from a laptop over SSH.

A plugin writes three things:

- a :class:`~torchx.schedulers.batch.request.BatchRequest`: the job's scripts, from the app and the options, pure;
- a :class:`~torchx.schedulers.batch.job.BatchSystem`: submit, find by key, query, list, cancel;
- a :class:`~torchx.schedulers.batch.scheduler.BatchScheduler` that joins the two.

**The job's folder**, on the shared file system, for its owner alone: ``job.json`` (what was submitted), ``job.sh`` (the
batch system runs it), ``role-<i>.sh`` (each replica runs it: its environment and program), and
``logs/<role>/<replica>/`` with ``stdout.log``, ``stderr.log`` and ``state``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.schedulers.batch.commands import (
        CommandMissingError,
        CommandResult,
        Commands,
        CommandTimeoutError,
        LocalCommands,
        LoginNodeUnreachableError,
        SshCommands,
    )
    from torchx.schedulers.batch.job import BatchJob, BatchPart, BatchSystem
    from torchx.schedulers.batch.kills import Kill
    from torchx.schedulers.batch.polling import StatusPoll
    from torchx.schedulers.batch.quoting import APP_ID, REPLICA, one_line, word
    from torchx.schedulers.batch.replica import ReplicaCommand, replica_script
    from torchx.schedulers.batch.request import BatchRequest
    from torchx.schedulers.batch.scheduler import BatchScheduler

_WHERE = {
    "commands": (
        "CommandMissingError",
        "CommandResult",
        "CommandTimeoutError",
        "Commands",
        "LocalCommands",
        "LoginNodeUnreachableError",
        "SshCommands",
    ),
    "job": ("BatchJob", "BatchPart", "BatchSystem"),
    "kills": ("Kill",),
    "polling": ("StatusPoll",),
    "quoting": ("APP_ID", "REPLICA", "one_line", "word"),
    "replica": ("ReplicaCommand", "replica_script"),
    "request": ("BatchRequest",),
    "scheduler": ("BatchScheduler",),
}

__all__ = [
    "APP_ID",
    "REPLICA",
    "BatchJob",
    "BatchPart",
    "BatchRequest",
    "BatchScheduler",
    "BatchSystem",
    "CommandMissingError",
    "CommandResult",
    "CommandTimeoutError",
    "Commands",
    "Kill",
    "LocalCommands",
    "LoginNodeUnreachableError",
    "ReplicaCommand",
    "SshCommands",
    "StatusPoll",
    "one_line",
    "replica_script",
    "word",
]


def __getattr__(name: str) -> object:
    import importlib

    for module, names in _WHERE.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
