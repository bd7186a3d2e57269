"""What Slurm's commands print when they fail, as errors."""

from __future__ import annotations

import re

from torchx.errors import TorchXError, TransientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.schedulers.batch.commands import CommandResult

_TRANSIENT = re.compile(
    r"unable to contact slurm controller|socket timed out|connection (?:refused|reset|timed out)|connect failure"
    r"|zero bytes were transmitted|temporarily|try again|unexpected message|transport endpoint|no route to host"
    r"|slurm_persist_conn_open|slurmdbd|problem talking to the database|not responding|in standby mode"
    r"|communication|backup controller|sending/receiving",
    re.IGNORECASE,
)
UNKNOWN_JOB = re.compile(r"invalid job id", re.IGNORECASE)
ENDED_JOB = re.compile(r"already completing or completed|job/step already", re.IGNORECASE)
NO_ACCOUNTING = re.compile(r"accounting storage is disabled|accounting_storage/none", re.IGNORECASE)


class SlurmError(TorchXError):
    """Slurm refuses what it was asked."""


class SlurmUnreachableError(TransientError):
    """Slurm does not answer."""


def error_of(program: str, result: CommandResult) -> TorchXError:
    """The error for a command that failed, by what it printed."""
    lines = [line.strip() for line in result.stderr.split("\n") if line.strip()]
    text = "; ".join(line.removeprefix(f"{program}: ").removeprefix("error: ") for line in lines[-3:])
    text = text or f"exit status {result.returncode}"
    if _TRANSIENT.search(result.stderr) and not NO_ACCOUNTING.search(result.stderr):
        return SlurmUnreachableError(f"{program}: {text}", hint="check that the cluster's slurmctld runs")
    return SlurmError(f"{program}: {text}")
