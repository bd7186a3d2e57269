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


def daemon_hint(program: str) -> str:
    """What to do about a command that gets no answer: it names the daemon that the command asks."""
    return f"check that the cluster's {'slurmdbd' if program == 'sacct' else 'slurmctld'} runs"


def error_of(program: str, result: CommandResult) -> TorchXError:
    """The error for a command that failed, by what it printed."""
    lines = [found for line in result.stderr.split("\n") if (found := _without_prefix(line, program))]
    if _TRANSIENT.search(result.stderr) and not (NO_ACCOUNTING.search(result.stderr) or _REFUSED.search(result.stderr)):
        # The last one says what it comes to; those above tell the same of the layers below.
        reason = next((line for line in reversed(lines) if _TRANSIENT.search(line)), lines[-1])
        return SlurmUnreachableError(f"{program}: {reason}", hint=daemon_hint(program))
    return SlurmError(f"{program}: {'; '.join(lines[-3:]) or f'exit status {result.returncode}'}")


def _without_prefix(line: str, program: str) -> str:
    """What a line of a command says, without who says it and how bad it is."""
    return line.strip().removeprefix(f"{program}: ").removeprefix("error: ").removeprefix("fatal: ")
