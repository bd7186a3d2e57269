"""What Slurm's commands print when they fail, as errors."""

from __future__ import annotations

import re

from torchx.errors import TorchXError, TransientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.schedulers.batch.commands import CommandResult

# Whole reasons, at the end of a line: what a user wrote may hold any word.
_TRANSIENT = re.compile(
    r"(?:^|[:!] )(?:unable to contact slurm controller|socket timed out on send/recv operation|connect failure"
    r"|connection (?:refused|reset by peer|timed out)|zero bytes were transmitted or received|broken pipe"
    r"|resource temporarily unavailable|temporary failure in name resolution|no route to host"
    r"|transport endpoint is not connected|unexpected message received|message (?:send|receive) failure"
    r"|communication (?:connection|shutdown) failure|(?:un)?able to connect to (?:the )?(?:slurm )?database"
    r"|problem talking to the database|slurm (?:backup )?controller (?:in standby mode|not responding.*)"
    r"|slurm temporarily unable to accept job.*|sending persistinit msg|error sending/receiving.*)"
    r"(?: \([a-z ]*\))?\.?$"
    r"|^[a-z_: ]*\b_?slurm_persist_conn_open",
    re.IGNORECASE | re.MULTILINE,
)
_REFUSED = re.compile(r"(?:^|: )(?:invalid|unrecognized|unknown) ", re.IGNORECASE | re.MULTILINE)
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
    if _TRANSIENT.search(result.stderr) and not (NO_ACCOUNTING.search(result.stderr) or _REFUSED.search(result.stderr)):
        return SlurmUnreachableError(f"{program}: {text}", hint="check that the cluster's slurmctld runs")
    return SlurmError(f"{program}: {text}")
