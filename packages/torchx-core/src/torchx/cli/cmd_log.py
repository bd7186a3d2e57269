"""``torchx log``."""

from __future__ import annotations

import re
import sys

from torchx.cli.cmd_base import SubCommand
from torchx.errors import TorchXError, UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import TextIO

    from torchx.runner import Runner
    from torchx.schedulers.api import Stream
    from torchx.specs import AppDef

_IDENTIFIER = re.compile(r"(?P<handle>[^/:\s]+://[^/\s]*/[^/\s]+)(?:/(?P<path>[^\n]*))?")
_REPLICAS = re.compile(r"[0-9]+(?:,[0-9]+)*")
_FORM = "expected SCHEDULER://SESSION/APP_ID[/ROLE[/REPLICA,...]]"
_STREAMS = ("stdout", "stderr", "combined")


class CmdLog(SubCommand):
    """Prints the log lines of a job's replicas, each line with the role/replica that wrote it.

    torchx log slurm://torchx/123                 all replicas of all roles
    torchx log slurm://torchx/123/trainer         all replicas of one role
    torchx log slurm://torchx/123/trainer/0,2     these replicas

    A role's name may hold slashes: what is behind the last one are the replicas.
    """

    needs_config = False

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.parser import add_flag, one_of

        subparser.add_argument(
            "identifier", metavar="SCHEDULER://SESSION/APP_ID[/ROLE[/REPLICA,...]]", help="whose lines to print"
        )
        subparser.add_argument("--regex", metavar="REGEX", help="only lines in which the expression is found")
        add_flag(subparser, "-t", "--tail", help="go on until the replicas have ended")
        subparser.add_argument(
            "--streams",
            type=one_of(_STREAMS, "stream"),
            metavar="|".join(_STREAMS),
            help="which output to print (default: combined, where the scheduler has it)",
        )
        add_flag(
            subparser, "--json", help="print one JSON object a line: role, replica, line, and stream if one is chosen"
        )

    def run(self, args: argparse.Namespace) -> None:
        """Prints the lines."""
        from torchx.schedulers.api import Stream

        streams = Stream(args.streams) if args.streams else None
        if sys.stdout is not None:
            get_logs(sys.stdout, args.identifier, args.regex, should_tail=args.tail, streams=streams, as_json=args.json)


def validate(job_identifier: str) -> None:
    """Checks the form of an identifier, ``SCHEDULER://SESSION/APP_ID[/ROLE[/REPLICA,...]]``, and its scheduler.

    Raises:
        UsageError: it has another form, or names an unknown scheduler.
    """
    from torchx.cli.schedulers import check_app_handle

    check_app_handle(_parse(job_identifier)[0])


def find_role_replicas(app: AppDef, role_name: str | None) -> list[tuple[str, int]]:
    """All replicas of one role of a job, or of all roles, as pairs of role name and replica index.

    Args:
        app: the job.
        role_name: the role; None: all.
    """
    roles = [role for role in app.roles if role_name is None or role.name == role_name]
    return [(role.name, k) for role in roles for k in range(role.num_replicas)]


def get_logs(
    file: TextIO,
    identifier: str,
    regex: str | None,
    should_tail: bool = False,
    runner: Runner | None = None,
    streams: Stream | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Writes log lines of a job's replicas, each with the prefix ``role/replica``; all replicas are read in one loop.

    Args:
        file: where to write.
        identifier: whose lines, ``SCHEDULER://SESSION/APP_ID[/ROLE[/REPLICA,...]]``.
        regex: only lines in which it is found.
        should_tail: go on until the replicas have ended.
        runner: the runner to ask; None: a new one.
        streams: which output; None: the scheduler's default.
        as_json: write one JSON object a line.

    Raises:
        UsageError: the identifier or the expression is malformed, or the job has no such role or replica.
        TorchXError: there is no such job.
    """
    from torchx.cli.follow import JsonLogPrinter, LogPrinter
    from torchx.runner import get_runner
    from torchx.schedulers.lines import compile_regex

    validate(identifier)
    if regex:
        compile_regex(regex)
    handle, path = _parse(identifier)
    if runner is None:
        with get_runner() as own:
            get_logs(file, identifier, regex, should_tail, own, streams, as_json=as_json)
        return
    app = _describe(runner, handle)
    role, numbers = _role_and_replicas(app, identifier, path)
    replicas = _select(app, handle, role, numbers)
    try:
        blocks = runner.log_blocks(handle, replicas, regex=regex, should_tail=should_tail, streams=streams)
        printer = JsonLogPrinter(file, streams) if as_json else LogPrinter(file)
        printer.print_all(blocks)
    except NotImplementedError as error:
        raise TorchXError(f"the scheduler of `{handle}` serves no logs") from error


def _parse(identifier: str) -> tuple[str, str]:
    """The handle of the job, and what follows it: a role and replicas, which only the job itself can tell apart."""
    match = _IDENTIFIER.fullmatch(identifier)
    path = (match["path"] or "").removesuffix("/") if match else ""
    if match is None or path.startswith("/"):
        raise UsageError(f"malformed identifier `{identifier}`", hint=_FORM)
    return match["handle"], path


def _role_and_replicas(app: AppDef, identifier: str, path: str) -> tuple[str | None, list[int]]:
    """The role that is named, None for all, and the replicas of it; a role's name may hold slashes."""
    if not path:
        return None, []
    names = [role.name for role in app.roles]
    role, slash, last = path.rpartition("/")
    if _REPLICAS.fullmatch(last) and slash and (role in names or path not in names):
        return role, [int(n) for n in last.split(",")]
    if path not in names and slash and (role in names or not names):
        raise UsageError(f"malformed identifier `{identifier}`: `{last}` is not a list of replicas", hint=_FORM)
    return path, []


def _describe(runner: Runner, handle: str) -> AppDef:
    from torchx.cli.schedulers import missing_app

    app = runner.describe(handle)
    if app is None:
        raise missing_app(handle)
    return app


def _select(app: AppDef, handle: str, role: str | None, numbers: list[int]) -> list[tuple[str, int]] | None:
    """The replicas to read; None where the scheduler does not tell which there are and all are wanted."""
    known = find_role_replicas(app, role)
    names = [r.name for r in app.roles]
    if role is not None and names and role not in names:
        raise UsageError(f"`{handle}` has no role `{role}`", hint=nearest(role, names) or f"roles: {', '.join(names)}")
    for k in numbers:
        if known and (role, k) not in known:
            raise UsageError(f"`{handle}/{role}` has no replica {k}", hint=f"it has replicas 0 to {len(known) - 1}")
    if role is not None and numbers:
        return [(role, k) for k in dict.fromkeys(numbers)]
    if role is not None:
        return known or [(role, 0)]
    return known or None
