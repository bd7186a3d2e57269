"""Runs a site's commands: here, or on a login node over SSH, with a time limit for each."""

from __future__ import annotations

import abc
import contextlib
import os
import threading
import time

from torchx.errors import TorchXError, TransientError
from torchx.util.light_dataclass import dataclass
from torchx.util.shlex import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from subprocess import Popen
    from typing import IO

TIMEOUT = 60.0
"""Seconds that a command may take where the caller does not say."""

SSH_FAILED = 255
"""What ``ssh`` exits with when it could not run the command (``man ssh``, EXIT STATUS)."""

NOT_FOUND = 127
"""What a shell exits with when there is no such command."""


@dataclass(frozen=True)
class HiddenEnv:
    """Variables that a command is not to see, for they would change what it does.

    Attributes:
        names: patterns of shells, such as ``SQUEUE_*``.
        but: patterns of those that it sees all the same.
    """

    names: tuple[str, ...] = ()
    but: tuple[str, ...] = ()

    def __contains__(self, name: object) -> bool:
        from fnmatch import fnmatchcase

        return any(fnmatchcase(str(name), pattern) for pattern in self.names) and not any(
            fnmatchcase(str(name), pattern) for pattern in self.but
        )

    def shell_code(self) -> str:
        """Commands of a POSIX shell that unset them; empty where there are none."""
        if not self.names:
            return ""
        names = "env | sed -n 's/^\\([A-Za-z_][A-Za-z0-9_]*\\)=.*/\\1/p'"
        keep = f"{'|'.join(self.but)}) ;; " if self.but else ""
        case = f'case $_torchx in {keep}{"|".join(self.names)}) unset "$_torchx";; esac'
        return f"for _torchx in $({names}); do {case}; done; "


NOTHING_HIDDEN = HiddenEnv()


@dataclass(frozen=True)
class CommandResult:
    """How a command ended.

    Attributes:
        returncode: its exit status.
        stdout: what it printed.
        stderr: what it printed as errors, as text without surrounding white space.
    """

    returncode: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """``stdout`` as text."""
        return self.stdout.decode("utf-8", "replace")


class CommandMissingError(TorchXError):
    """The machine has no such command."""


class CommandTimeoutError(TransientError):
    """A command did not end in time and was killed. What it should have done may have happened all the same."""


class LoginNodeUnreachableError(TransientError):
    """The login node can't be reached over SSH."""


class Commands(abc.ABC):
    """Where a batch system's commands are run.

    Attributes:
        host: the login node; None for this machine.
    """

    host: str | None = None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | IO[bytes] = b"",
        timeout: float = TIMEOUT,
        hidden: HiddenEnv = NOTHING_HIDDEN,
        name: str | None = None,
    ) -> CommandResult:
        """Runs a command to its end. Whatever ends it early ends the processes that it has started, too.

        Args:
            argv: the program and its arguments; no shell looks at them.
            stdin: what it can read; of a lot, a file or a pipe that holds it.
            timeout: seconds after which it is killed.
            hidden: variables that it is not to see.
            name: what errors call it, where the program is a shell that runs another one; else the program's name.

        Raises:
            CommandMissingError: there is no such program.
            CommandTimeoutError: it took too long.
            LoginNodeUnreachableError: the login node can't be reached.
        """
        left = _left()
        if left is not None and left <= 0:
            raise CommandTimeoutError(f"no time is left for `{name or argv[0]}`")
        return self._run(argv, stdin, timeout if left is None else min(timeout, left), hidden, name or argv[0])

    @abc.abstractmethod
    def _run(
        self, argv: Sequence[str], stdin: bytes | IO[bytes], timeout: float, hidden: HiddenEnv, name: str
    ) -> CommandResult: ...


_limits = threading.local()


@contextlib.contextmanager
def all_within(seconds: float) -> Iterator[Callable[[], float]]:
    """All commands that this thread runs inside have to end within that time, whatever limits they have of their own.

    Args:
        seconds: for all of them together. A limit around this one holds as well.

    Yields:
        Tells the seconds that are left.
    """
    before = _left()
    outer = getattr(_limits, "end", None)
    end = _limits.end = time.monotonic() + (seconds if before is None else min(seconds, before))
    try:
        yield lambda: max(0.0, end - time.monotonic())
    finally:
        _limits.end = outer


def _left() -> float | None:
    """Seconds that are left of the time of `all_within`; None: there is no limit."""
    end = getattr(_limits, "end", None)
    return None if end is None else end - time.monotonic()


class LocalCommands(Commands):
    """Runs commands on this machine."""

    def _run(
        self, argv: Sequence[str], stdin: bytes | IO[bytes], timeout: float, hidden: HiddenEnv, name: str
    ) -> CommandResult:
        try:
            return _execute(argv, stdin, timeout, name, hidden)
        except FileNotFoundError as error:
            raise missing(argv[0], None) from error
        except PermissionError as error:
            raise CommandMissingError(f"`{argv[0]}` can't be run: {error.strerror}") from error


class SshCommands(Commands):
    """Runs commands on a login node. The connection is kept for a minute, so that one log-in serves many commands.

    Args:
        host: as ``ssh`` takes it; settings of ``~/.ssh/config`` hold. The user's shell there must be a POSIX one.
    """

    host: str

    def __init__(self, host: str) -> None:
        self.host = host

    def _run(
        self, argv: Sequence[str], stdin: bytes | IO[bytes], timeout: float, hidden: HiddenEnv, name: str
    ) -> CommandResult:
        try:
            code = hidden.shell_code() + join(argv)
            result = _execute([*self._ssh(), code], stdin, timeout, f"{name} on {self.host}", NOTHING_HIDDEN)
        except FileNotFoundError as error:
            raise CommandMissingError("`ssh` is not installed", hint="install the OpenSSH client") from error
        if result.returncode == SSH_FAILED:
            raise LoginNodeUnreachableError(
                f"can't reach the login node `{self.host}`: {_last_line(result.stderr) or 'ssh failed'}",
                hint=f"try `ssh {self.host} true`; it must work without a password prompt",
            )
        if result.returncode == NOT_FOUND:
            raise missing(argv[0], self.host)
        return result

    def _ssh(self) -> list[str]:
        folder = _sockets_folder()
        # %C is a hash: a socket's path is short.
        shared = ["ControlMaster=auto", "ControlPersist=60", f"ControlPath={folder}/%C"] if folder else []
        # A connection that has died is noticed; a shared one would make all commands hang.
        options = ["BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=10", "ServerAliveCountMax=3", *shared]
        return ["ssh", "-T", *(word for option in options for word in ("-o", option)), "--", self.host]


def _sockets_folder() -> str | None:
    """A folder of the user's own for the sockets of shared connections; None where there can't be one."""
    import stat
    import tempfile

    folder = os.path.join(tempfile.gettempdir(), f"torchx-ssh-{os.getuid()}")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError:
        return None
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if private and len(folder) < 60 else None


def commands_on(host: str | None) -> Commands:
    """The commands of a login node; of this machine where it is None."""
    return SshCommands(host) if host else LocalCommands()


def missing(program: str, host: str | None) -> CommandMissingError:
    """The error for a command that is not there."""
    if host:
        return CommandMissingError(
            f"`{host}` has no command `{program}`", hint="put it on the PATH of non-interactive shells there"
        )
    return CommandMissingError(
        f"this machine has no command `{program}`",
        hint="run torchx on a login node of the cluster, or name one with the option ssh_host",
    )


def _execute(
    argv: Sequence[str], stdin: bytes | IO[bytes], timeout: float, name: str, hidden: HiddenEnv
) -> CommandResult:
    import subprocess

    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if isinstance(stdin, bytes) else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={key: value for key, value in os.environ.items() if key not in hidden} if hidden.names else None,
        start_new_session=True,  # a group of its own, which can be killed with all that it has started
    ) as process:
        try:
            out, err = process.communicate(stdin if isinstance(stdin, bytes) else None, timeout)
        except subprocess.TimeoutExpired as error:
            _kill_group(process)
            raise CommandTimeoutError(f"`{name}` did not end within {timeout:.3g} s") from error
        except BaseException:
            _kill_group(process)
            raise
    return CommandResult(process.returncode, out, err.decode("utf-8", "replace").strip())


def _kill_group(process: Popen[bytes]) -> None:
    """Kills a process, with those of its children that have made no group of their own."""
    import signal

    if process.returncode is None:  # until it is waited for, its group's id is nobody else's
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(text: str) -> str:
    return text.rpartition("\n")[2].strip()
