"""The entry point of the ``torchx`` command: finds the command that was asked for, runs it, and tells what went wrong.

Only the module of that command is imported; ``torchx --help`` imports none of them, and no :mod:`argparse` either.
"""

from __future__ import annotations

import gc
import sys

from torchx.cli.commands import description_of, find_commands, summary_of
from torchx.cli.guard import run_guarded
from torchx.errors import UsageError, nearest
from torchx.util.foreign_output import diverted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any

    from torchx.cli.cmd_base import SubCommand
    from torchx.cli.global_options import GlobalOptions

    BLUE: str
    ENDC: str
    GRAY: str

DESCRIPTION = "Describe a job once, run it on any cluster."

STANDALONE = ("doctor",)
"""Commands that import no plugin into this process, and that no plugin can take the place of."""


def __getattr__(name: str) -> str:
    if name in ("BLUE", "ENDC", "GRAY"):
        from torchx.util import colors

        value: str = getattr(colors, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get_default_sub_cmds() -> dict[str, SubCommand]:
    """The commands that come with torchx-core, by name. Each is imported when it is first used."""
    return find_commands(builtin_only=True)


def get_sub_cmds() -> dict[str, SubCommand]:
    """All commands, those of plugins included, by name. Each is imported when it is first used."""
    return find_commands()


def create_parser(subcmds: dict[str, SubCommand]) -> argparse.ArgumentParser:
    """The whole command line as one parser, for completion and for programs that embed it.

    Args:
        subcmds: the commands by name. All of them are imported; one that cannot be gets no arguments, and running it
            tells why.

    Returns:
        A parser whose result has ``func``, to be called with that result.
    """

    from torchx.cli.global_options import LOG_LEVELS
    from torchx.cli.parser import TorchXArgumentParser, one_of
    from torchx.version import __version__

    parser = TorchXArgumentParser(prog="torchx", description=DESCRIPTION)
    parser.add_argument("--log_level", metavar="LEVEL", type=one_of(LOG_LEVELS, "log level"), help="what to log")
    parser.add_argument("--no-plugins", action="store_true", help="use nothing but what comes with torchx-core")
    parser.add_argument("--version", action="version", version=f"torchx {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for name, command in subcmds.items():
        subparser = commands.add_parser(name, help=summary_of(command))
        _fill(subparser, command)
    return parser


def _fill(subparser: argparse.ArgumentParser, command: SubCommand) -> None:
    from torchx.errors import TorchXError

    subparser.set_defaults(func=command.run)
    try:
        subparser.description = description_of(command)
        command.add_arguments(subparser)
    except TorchXError as error:
        subparser.description = f"(not usable: {error.message})"


def run_main(subcmds: dict[str, SubCommand], argv: list[str] = sys.argv[1:]) -> None:
    """Runs the command that the arguments name, and ends the program where that is called for.

    Args:
        subcmds: the commands to choose from, by name.
        argv: the arguments, without the program's name.

    Raises:
        SystemExit: with status 1 after a failure, 2 after a mistake in the arguments, 130 after Ctrl-C, 141 when nobody
            reads standard output any more; or with the status that the command chose. Returns normally on success.
    """
    run_guarded(lambda options: _dispatch(subcmds, options), argv)


def main(argv: list[str] = sys.argv[1:]) -> None:
    """The ``torchx`` program; see :func:`run_main` for how it ends."""
    # What is loaded at the start is no garbage; looking for some meanwhile takes a twentieth of a dry run's time.
    gc.set_threshold(100_000)
    run_guarded(_discover_and_dispatch, argv)


def _discover_and_dispatch(options: GlobalOptions) -> None:
    if options.version or options.command in STANDALONE:
        # No plugin can be in the way of these: not even one that hangs while it is imported.
        _dispatch(get_default_sub_cmds(), options)
        return
    if options.no_plugins:
        from torchx.plugins.manager import reset_plugin_manager

        reset_plugin_manager(disabled=["*"])
    _dispatch(get_sub_cmds(), options)


def _dispatch(subcmds: Mapping[str, SubCommand], options: GlobalOptions) -> None:
    if options.version:
        from torchx.cli.output import write
        from torchx.version import __version__

        write(f"torchx {__version__}\n")
    elif options.help or options.command is None:
        _show_help(subcmds, missing_command=not options.help)
    else:
        _set_up_logging(options.log_level)
        with diverted():
            _find_and_run(subcmds, options.command, options.rest)


def _find_and_run(subcmds: Mapping[str, SubCommand], name: str, args: Sequence[str]) -> None:
    command = subcmds.get(name)
    if command is None:
        raise UsageError(f"unknown command `{name}`", hint=nearest(name, subcmds) or "see `torchx --help`")
    if command.needs_config:
        _run(command, name, args)
        return
    from torchx.runner.config import broken_files_skipped

    with broken_files_skipped():
        _run(command, name, args)


def _run(command: SubCommand, name: str, args: Sequence[str]) -> None:
    options: Any = command.read_quickly(args)
    if options is not None:
        command.run(options)
        return
    from torchx.cli.parser import TorchXArgumentParser

    parser = TorchXArgumentParser(prog=f"torchx {name}")
    if "-h" in args or "--help" in args:
        parser.description = description_of(command)
    command.add_arguments(parser)
    command.run(parser.parse_args(args))


def _set_up_logging(level: str | None) -> None:
    if level is not None:
        from torchx.cli.log_format import set_up_logging

        set_up_logging(level)


def _show_help(subcmds: Mapping[str, SubCommand], *, missing_command: bool) -> None:
    from torchx.cli.global_options import OPTIONS_HELP

    rows = [(name, summary_of(command)) for name, command in subcmds.items()]
    width = max(len(left) for left, _ in (*rows, *OPTIONS_HELP)) + 2
    lines = [
        "usage: torchx [--log_level LEVEL] [--no-plugins] [--version] COMMAND ...",
        "",
        DESCRIPTION,
        "",
        "commands:",
    ]
    lines += [f"  {left:{width}}{right}".rstrip() for left, right in rows]
    lines += ["", "options:", *(f"  {left:{width}}{right}" for left, right in OPTIONS_HELP)]
    text = "\n".join(lines) + "\n"
    if missing_command:
        from torchx.cli.errors import EXIT_USAGE, write_stderr

        write_stderr(text)
        sys.exit(EXIT_USAGE)
    from torchx.cli.output import write

    write(text)
