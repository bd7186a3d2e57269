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


_ASSOCIATIONS = "`sacctmgr show assoc user=$USER`"
_NODES = "`scontrol show node`"
_REFUSED_OPTIONS = (
    (r"invalid account|requested account", "the option account", _ASSOCIATIONS),
    (r"invalid qos|qos .*not permitted", "the option qos", _ASSOCIATIONS),
    (r"accounting/qos policy", "the job's size, or one of time, qos and account", _ASSOCIATIONS),
    (r"(?:invalid|no|required|this) partition|partition configuration", "the option partition", "`sinfo -s`"),
    (r"time limit is invalid|invalid --time|invalid time", "the option time", "`sinfo -s`"),
    (r"feature specification|invalid --constraint|invalid constraint", "the option constraint", _NODES),
    (r"--mail-type", "the option mail_type", "`man sbatch` (NONE, BEGIN, END, FAIL, REQUEUE, ALL, ...)"),
    (r"--mail-user", "the option mail_user", "`man sbatch`"),
    (r"memory specification|memory required|--mem\b", "the role's memMB", _NODES),
    (r"\bgres\b|trackable resource|--gpus", "the role's gpu (or the option gpus_by)", _NODES),
    (r"more (?:processors|tasks)|cpu count", "the role's cpu or num_replicas", _NODES),
    (
        r"node (?:configuration|count)",
        "one of the role's cpu, memMB, gpu and num_replicas, or the option constraint",
        _NODES,
    ),
)
"""What ``sbatch`` prints when it refuses something, what that is here, and what shows the valid values. The texts are
those of Slurm's libraries and of ``sbatch`` (observed with 22.05)."""


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
    hint = _refused_option(lines[-3:]) if program == "sbatch" else None
    return SlurmError(f"{program}: {'; '.join(lines[-3:]) or f'exit status {result.returncode}'}", hint=hint)


def _refused_option(lines: list[str]) -> str | None:
    """Names the option that ``sbatch`` refuses, and how to see the valid values; None: its lines don't tell."""
    for line in lines:
        # Behind a colon there may be what the user wrote, but for the reason why the submission failed.
        text = line.removeprefix("Batch job submission failed: ").partition(": ")[0]
        for pattern, what, shown in _REFUSED_OPTIONS:
            if re.search(pattern, text, re.IGNORECASE):
                return f"change {what}: {shown} tells what is valid"
    return None


def _without_prefix(line: str, program: str) -> str:
    """What a line of a command says, without who says it and how bad it is."""
    return line.strip().removeprefix(f"{program}: ").removeprefix("error: ").removeprefix("fatal: ")
