"""The shell script that a replica runs on its node: its environment, its log files, its program, how it ended.

The script is a file that only the user can read, so that nothing of the environment is on a command line. It needs a
POSIX shell and nothing else. The program is its child: the script stays to record the exit code, and leaves all
signals to the program, which gets them from the batch system just as the script does.
"""

from __future__ import annotations

import re

from torchx.errors import UsageError
from torchx.schedulers.batch.quoting import word
from torchx.util.light_dataclass import dataclass, field
from torchx.util.secret_names import is_secret_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_FILE = "state"
"""In a replica's folder: lines ``start ATTEMPT HOST SECONDS`` and ``end ATTEMPT CODE SECONDS``, the latter with a word
``killed`` where the shell said that a signal ended the program (of SIGINT and SIGPIPE shells say nothing), and a word
``stopped`` where the script itself was asked to end (SIGTERM)."""

SHELL_LOG = "shell.log"
"""In a replica's folder: what the shell itself has to say about the last program, such as the name of a signal."""

ERROR_FILE = "error.json"
STDOUT_LOG = "stdout.log"
STDERR_LOG = "stderr.log"

ENV_RANK0_HOST = "TORCHX_RANK0_HOST"
ENV_RANK0_PORT = "TORCHX_RANK0_PORT"
ENV_ERROR_FILE = "TORCHELASTIC_ERROR_FILE"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Variables that bash, dash or a Korn shell gives a meaning, or does not let one set; `env` sets them behind its back.
# Exact names: `LC_SECRETS` and `OPTIMIZER` are a user's own. What begins with `BASH` is bash's, in later versions too.
_SPECIAL = re.compile(
    r"(_|UID|EUID|GID|EGID|PPID|IFS|PWD|OLDPWD|LINENO|OPT(ARG|ERR|IND)|FUNC(NAME|NEST)|DIRSTACK|GROUPS|SHELLOPTS"
    r"|BASH(|OPTS|PID|_.*)|S?RANDOM|SECONDS|EPOCH(SECONDS|REALTIME)|HISTCMD|EXECIGNORE|GLOBIGNORE|POSIXLY_CORRECT"
    r"|COMP_(CWORD|KEY|LINE|POINT|TYPE|WORDBREAKS|WORDS)|LANG|LC_(ALL|COLLATE|CTYPE|MESSAGES|MONETARY|NUMERIC|TIME)"
    r"|_torchx_.*)"
)

_PORTS = 10_000
_ROLES_APART = 1009
"""Ports of all jobs, and how far apart the roles of a job are: jobs with neighbouring numbers share nodes, too."""


@dataclass
class ReplicaCommand:
    """What all replicas of a role run. Texts may hold `APP_ID` and `REPLICA`.

    Attributes:
        args: the program and its arguments.
        env: variables on top of those that the batch system hands on.
        cwd: the working folder; None: where the batch system starts the script.
        retries: how often a program that failed is started again at once, in its place.
        prefix: words in front of the program, a container runtime for example; already words of a shell.
    """

    args: list[str]
    env: dict[str, str]
    cwd: str | None = None
    retries: int = 0
    prefix: list[str] = field(default_factory=list)


def replica_script(command: ReplicaCommand, *, logs: str, replica: str, role: int = 0) -> str:
    """The script; it is called with the job's id, the host of replica 0 and the number of the attempt.

    Args:
        command: what to run.
        logs: the folder of the role's logs; each replica has a folder in it, named by its number.
        replica: shell code that gives the replica's number, such as ``"$SLURM_PROCID"``.
        role: the role's number in the job: roles that share a node meet at ports of their own.

    Raises:
        UsageError: a variable can't be handed over safely.
    """
    exports, behind = _environment(command.env, role)
    program = _program(command, behind)
    lines = [
        "#!/bin/sh",
        "_torchx_app_id=$1 _torchx_rank0=$2 _torchx_attempt=$3 _torchx_umask=$(umask)",
        "umask 077",  # for what this script writes; the program has the user's own
        "_torchx_env=$(command -v env) _torchx_nice=$(command -v nice)",  # the user's own PATH may lack them
        f"_torchx_replica={replica}",
        f'_torchx_dir={word(logs)}/"$_torchx_replica"',
        'mkdir -p "$_torchx_dir" || exit 126',
        "_torchx_stopped=",
        "trap : HUP INT QUIT USR1 USR2 ALRM",
        "trap '_torchx_stopped=\" stopped\"' TERM",
        f"_torchx_left={int(command.retries)}",
        "while :; do",
        'printf "start %s %s %s\\n" "$_torchx_attempt" "$(uname -n)" "$(date +%s)" >>"$_torchx_dir/state"',
        "_torchx_code=126 _torchx_how=",
        "{",
        "(",
        'umask "$_torchx_umask"',
        *([f"cd -- {word(command.cwd)} || exit 126"] if command.cwd else []),
        *exports,
        f"exec {' '.join(program)}",
        f') </dev/null >>"$_torchx_dir/{STDOUT_LOG}" 2>>"$_torchx_dir/{STDERR_LOG}"',
        "_torchx_code=$?",
        f'}} 2>"$_torchx_dir/{SHELL_LOG}"',
        f'[ "$_torchx_code" -gt 128 ] && [ -s "$_torchx_dir/{SHELL_LOG}" ] && _torchx_how=" killed"',
        "_torchx_time=$(date +%s)",
        # Who is asked to end is asked together with the program: the signal may come a moment after the program's end.
        '[ "$_torchx_code" -eq 0 ] || sleep 0.1 2>/dev/null || :',
        'printf "end %s %s %s%s\\n" "$_torchx_attempt" "$_torchx_code" "$_torchx_time" "$_torchx_how$_torchx_stopped" '
        '>>"$_torchx_dir/state"',
        '[ "$_torchx_code" -ne 0 ] && [ "$_torchx_left" -gt 0 ] || break',
        "_torchx_left=$((_torchx_left - 1))",
        "done",
        'exit "$_torchx_code"',
    ]
    return "\n".join(lines) + "\n"


def _program(command: ReplicaCommand, behind: list[str]) -> list[str]:
    """The words of what a shell is to `exec`.

    Args:
        command: what to run.
        behind: variables that the shell can't set, as words for `env`.
    """
    program = [*command.prefix, *map(word, command.args)]
    first = "" if command.prefix else command.args[0]
    if not behind and not first.startswith("-"):
        return program
    # Not all shells let `exec` be told where its options end. What holds a `=` is a variable to `env`, not to `nice`.
    last = ['"$_torchx_nice"', "-n", "0", "--"] if "=" in first else []
    return ['"$_torchx_env"', "--", *behind, *last, *program]


def _environment(env: Mapping[str, str], role: int) -> tuple[list[str], list[str]]:
    """Lines that export what a shell can, and words for `env` for the rest."""
    exports, behind = [], []
    if ENV_RANK0_HOST not in env:
        exports.append(f"export {ENV_RANK0_HOST}" + '="$_torchx_rank0"')
    if ENV_RANK0_PORT not in env:
        # Jobs and roles that share a node must not meet each other. Of the number that a job's id begins with, if there
        # is one: the same on all nodes, and another for the next ten thousand jobs.
        exports.append("_torchx_number=${_torchx_app_id%%[!0-9]*}")
        number = f"(_torchx_number + {role * _ROLES_APART % _PORTS}) % {_PORTS}"
        exports.append(f'[ -z "$_torchx_number" ] || export {ENV_RANK0_PORT}=$((20000 + {number}))')
    if ENV_ERROR_FILE not in env:
        exports.append(f"export {ENV_ERROR_FILE}" + f'="$_torchx_dir/{ERROR_FILE}"')
    for name, value in env.items():
        if _IDENTIFIER.fullmatch(name) and not _SPECIAL.fullmatch(name):
            exports.append(f"export {name}={word(value)}")
        elif is_secret_name(name):
            raise _unsafe(name)
        else:
            behind.append(word(f"{name}={value}"))
    return exports, behind


def _unsafe(name: str) -> UsageError:
    """The error for a variable that only `env` could set, on a command line, with a value that is likely a secret."""
    if _IDENTIFIER.fullmatch(name):
        reason, hint = "shells give that name a meaning of their own", "give it another name"
    else:
        reason, hint = "a shell can't set a variable of that name", "give it a name of ASCII letters, digits and `_`"
    return UsageError(f"the secret {name!r} would have to be shown on a command line: {reason}", hint=hint)
