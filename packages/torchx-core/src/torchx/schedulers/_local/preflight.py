"""Finds before the start what would make every replica fail at once: a program or a script that does not exist."""

from __future__ import annotations

import os
import sys

from torchx.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchx.schedulers._local.request import ReplicaParam

_SHELLS = {"sh", "bash", "dash", "zsh", "ksh"}
_TORCH_LAUNCHERS = {"torchrun", "torch.distributed.run"}
_PYTHON_WITH_VALUE = {"-W", "-X", "--check-hash-based-pycs"}


def programs_of(role: str, params: Sequence[ReplicaParam]) -> list[str]:
    """``program_of`` for all replicas of a role; those that run the same command are looked at once.

    Raises:
        UsageError: as ``program_of``.
    """
    known: dict[tuple[object, ...], tuple[str, str]] = {}
    programs = []
    for param in params:
        key = (*param.args, None, param.cwd, param.env.get("PATH"))
        if key not in known:
            known[key] = program_of(role, param), param.env.get("PATH", "")
        program, path = known[key]
        if path:
            param.env["PATH"] = path
        programs.append(program)
    return programs


def program_of(role: str, param: ReplicaParam) -> str:
    """The absolute path of a replica's program.

    The folder of the running interpreter comes last on the replica's PATH, so that ``torchrun`` and ``python`` of the
    environment that TorchX is installed in are found.

    Args:
        role: the role's name, for errors.
        param: the replica; its PATH is set.

    Raises:
        UsageError: the program, or the script that it runs, is not there.
    """
    cwd = param.cwd or os.getcwd()
    path = param.env.get("PATH", os.environ.get("PATH", os.defpath))
    own = os.path.dirname(sys.executable)
    if own and own not in path.split(os.pathsep):
        path = param.env["PATH"] = f"{path}{os.pathsep}{own}"
    check_script(param.args, cwd, role)  # first: it is what the user wrote
    program = find_program(param.args[0], cwd, path, role)
    check_handed_on(param.args, cwd, path, role)
    return program


def find_program(entrypoint: str, cwd: str, path: str, role: str) -> str:
    """The absolute path of the program that a role runs.

    Args:
        entrypoint: looked up in ``path``, or relative to ``cwd`` where it has a slash.
        cwd: the replica's working folder.
        path: the replica's PATH.
        role: the role's name, for the error.

    Raises:
        UsageError: there is no such program, or it may not be run.
    """
    if os.sep in entrypoint:
        program = os.path.join(cwd, entrypoint)
        if os.path.isfile(program) and os.access(program, os.X_OK):
            return program
        why = "is a folder" if os.path.isdir(program) else "may not be executed (chmod +x)"
        raise UsageError(
            f"entrypoint `{entrypoint}` of role `{role}` {why if os.path.exists(program) else 'does not exist'}"
        )
    # shutil.which would do, but importing shutil takes longer than starting the program.
    for folder in path.split(os.pathsep):
        program = os.path.join(cwd, folder, entrypoint)
        if os.path.isfile(program) and os.access(program, os.X_OK):
            return program
    raise UsageError(
        f"entrypoint `{entrypoint}` of role `{role}` was not found on PATH", hint=_entrypoint_hint(entrypoint)
    )


def _entrypoint_hint(entrypoint: str) -> str:
    if any(c.isspace() for c in entrypoint.strip()):
        return "an entrypoint is one program; its arguments go into args"
    if entrypoint == "torchrun":
        return "install PyTorch into the environment that runs torchx (`pip install torch`)"
    return "install it, or name it by its path"


def check_script(args: Sequence[str], cwd: str, role: str) -> None:
    """Refuses a Python command whose script is not there.

    Args:
        args: the command, program first: ``python FILE``, ``torchrun FILE``, ``python -m torch.distributed.run FILE``,
            or a shell that passes one of these on through ``"$@"``.
        cwd: the folder that a relative script path starts from.
        role: the role's name, for the error.

    Raises:
        UsageError: the script does not exist.
    """
    script = find_script(args)
    if script is not None and not os.path.exists(os.path.join(cwd, script)):
        raise UsageError(
            f"script `{script}` of role `{role}` does not exist in {cwd}", hint="check the path, or `cd` to its folder"
        )


def check_handed_on(args: Sequence[str], cwd: str, path: str, role: str) -> None:
    """Refuses a shell command that only runs a program which is not there: ``sh -c 'exec "$0" ... "$@"' PROGRAM``.

    Args:
        args: the command, shell first.
        cwd, path, role: as for :py:func:`find_program`.

    Raises:
        UsageError: there is no such program, or it may not be run.
    """
    is_shell = os.path.basename(args[0]) in _SHELLS and len(args) > 3
    if is_shell and args[1] == "-c" and args[2].rpartition("; ")[2].startswith('exec "$0" '):
        find_program(args[3], cwd, path, role)


def find_script(args: Sequence[str]) -> str | None:
    """The script file that a Python command runs; None where there is none, or that can't be told for certain."""
    program = os.path.basename(args[0])
    rest = list(args[1:])
    if program in _SHELLS and len(rest) > 2 and rest[0] == "-c" and rest[1].rstrip().endswith('"$@"'):
        # What follows the code is $0 and then the words of "$@".
        passed_on = rest[3:] if os.path.basename(rest[2]) in _SHELLS or not _is_command(rest[2]) else rest[2:]
        return find_script(passed_on) if passed_on else None
    if program in _TORCH_LAUNCHERS:
        return _first_operand(rest)
    if program.rstrip("0123456789.") == "python":
        return _python_script(rest)
    return None


def _is_command(word: str) -> bool:
    name = os.path.basename(word)
    return name in _TORCH_LAUNCHERS or name.rstrip("0123456789.") == "python"


def _python_script(args: list[str]) -> str | None:
    while args:
        word = args.pop(0)
        if word == "-m" and args and args[0] in _TORCH_LAUNCHERS:
            return _first_operand(args[1:])
        if word in _PYTHON_WITH_VALUE:
            del args[:1]
        elif word == "-" or (word.startswith("-") and ("c" in word or "m" in word) and not word.startswith("--")):
            return None
        elif not word.startswith("-"):
            return word
    return None


def _first_operand(args: list[str]) -> str | None:
    """The first word that is no option, where all options before it are written ``--name=value``."""
    for word in args:
        if word in ("-m", "--module", "--no-python", "--no_python"):
            return None
        if not word.startswith("-"):
            return word
        if "=" not in word and word not in ("--standalone",):
            return None  # the next word may be this option's value
    return None
