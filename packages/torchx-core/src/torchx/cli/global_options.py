"""The options ahead of the command, read by hand: ``torchx --help`` and the choice of the command need no parser."""

from __future__ import annotations

from torchx.errors import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LOG_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET")

OPTIONS_HELP = (
    ("-h, --help", "show this help, or that of a command: `torchx COMMAND --help`"),
    ("--log_level LEVEL", "log what happens to standard error; DEBUG also shows where an error comes from"),
    ("--no-plugins", "use nothing but what comes with torchx-core"),
    ("--version", "show the version"),
)

_NAMES = ("--help", "--log-level", "--no-plugins", "--version")


class GlobalOptions:
    """What stands ahead of the command, and what follows it.

    Attributes:
        help: help was asked for.
        version: the version was asked for.
        no_plugins: discover no plugins beyond the built-in ones.
        log_level: one of ``LOG_LEVELS``, None where not given.
        command: the command's name, None where there is none.
        rest: the command's own arguments.
    """

    __slots__ = ("command", "help", "log_level", "no_plugins", "rest", "version")

    def __init__(self) -> None:
        self.help = False
        self.version = False
        self.no_plugins = False
        self.log_level: str | None = None
        self.command: str | None = None
        self.rest: list[str] = []


def split_argv(argv: Sequence[str]) -> GlobalOptions:
    """Reads the options up to the first word that is none, which is the command.

    Raises:
        UsageError: an unknown option, a missing or a bad value.
    """
    options = GlobalOptions()
    words = list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("-") or word in ("-", "--"):
            options.command, options.rest = word, words
            break
        name, has_value, value = word.partition("=")
        name = "--help" if name == "-h" else _complete(name)
        if name == "--log-level":
            options.log_level = _log_level(value if has_value else words.pop(0) if words else "")
        elif has_value:
            raise UsageError(f"the option `{name}` takes no value")
        else:
            setattr(options, name[2:].replace("-", "_"), True)
    return options


def is_global_option(name: str) -> bool:
    """Whether an option is one that stands ahead of the command."""
    return name.replace("_", "-") in _NAMES


def takes_value(name: str) -> bool:
    """Whether an option that stands ahead of the command is followed by a value."""
    return name.replace("_", "-") == "--log-level"


def _complete(name: str) -> str:
    wanted = name.replace("_", "-")
    matches = [known for known in _NAMES if known == wanted or (len(wanted) > 2 and known.startswith(wanted))]
    if len(matches) == 1 and wanted.startswith("--"):
        return matches[0]
    raise UsageError(
        f"unknown option `{name}` ahead of the command", hint=nearest(wanted, _NAMES) or "see `torchx --help`"
    )


def _log_level(value: str) -> str:
    level = value.upper()
    if level in LOG_LEVELS:
        return level
    problem = f"unknown log level `{value}`" if value else "the option `--log_level` needs a value"
    raise UsageError(problem, hint=nearest(level, LOG_LEVELS) or f"one of {', '.join(LOG_LEVELS)}")
