"""The argument parser of every command: errors in one line, ``--a_b`` and ``--a-b`` alike."""

from __future__ import annotations

import argparse

from torchx.cli.global_options import is_global_option, takes_value
from torchx.errors import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

DEFAULT_WIDTH = 80


class TorchXArgumentParser(argparse.ArgumentParser):
    """An :class:`argparse.ArgumentParser` that differs in three ways.

    - A long option is accepted with ``-`` and with ``_`` between its words; help shows the spelling it was added with.
    - A mistake ends the program with one ``error:`` line, a ``hint:`` line and status 2, without the usage text.
    - When its one positional argument has ``nargs=argparse.REMAINDER``, the first word that is no option begins the
      remainder, and nothing in it is looked at: ``run -s x utils.sh -- grep -e a`` hands over
      ``["utils.sh", "--", "grep", "-e", "a"]``. A ``--`` ahead of it ends the parser's own options and is dropped.
    """

    unknown_hint = ""
    """What else to say to an option that is not known; ``{word}`` in it is the option."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", TorchXHelpFormatter)
        super().__init__(*args, **kwargs)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses all arguments; one that the parser does not know is an error that names the nearest known one."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown[0])
        return parsed

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses what the parser knows and returns it with the rest, as :mod:`argparse` does."""
        self._add_twins()
        if args is None:
            import sys

            args = sys.argv[1:]
        remainder = self._remainder_action()
        if remainder is None:
            return super().parse_known_args(args, namespace)
        own, rest = self._split(list(args))
        parsed, unknown = super().parse_known_args(own, namespace)
        setattr(parsed, remainder.dest, rest)
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Prints the mistake and ends the program with status 2."""
        self._exit(UsageError(_in_our_words(message), hint=f"see `{self.prog} --help`"))

    def option_strings(self) -> list[str]:
        """All long options as they are shown in help, for hints."""
        return [o for action in self._actions for o in action.option_strings if o.startswith("--")]

    def _exit(self, error: UsageError) -> NoReturn:
        from torchx.cli.errors import print_error

        print_error(error)
        self.exit(error.exit_code)

    def _refuse(self, word: str) -> NoReturn:
        if not word.startswith("-"):
            self._exit(UsageError(f"unexpected argument `{word}`", hint=f"see `{self.prog} --help`"))
        name = word.partition("=")[0]
        if is_global_option(name):
            option = word if "=" in word or not takes_value(name) else f"{word} ..."
            first = f"torchx {option} {self.prog.rpartition(' ')[2]} ..."
            self._exit(UsageError(f"the option `{name}` goes ahead of the command", hint=f"`{first}`"))
        near = self._near(name)
        hint = " ".join(filter(None, (near, self.unknown_hint.replace("{word}", word)))) or f"see `{self.prog} --help`"
        self._exit(UsageError(f"unknown option `{name}` of `{self.prog}`", hint=hint))

    def _near(self, name: str) -> str | None:
        import difflib

        # The dashes are left out: they would make all short names look alike.
        bare = {option.lstrip("-").replace("_", "-"): option for option in self.option_strings()}
        near = difflib.get_close_matches(name.lstrip("-").replace("_", "-"), [*bare], n=3, cutoff=0.6)
        return f"did you mean {' or '.join(f'`{bare[n]}`' for n in near)}?" if near else None

    def _add_twins(self) -> None:
        for option, action in list(self._option_string_actions.items()):
            if option.startswith("--"):
                for twin in ("--" + option[2:].replace("_", "-"), "--" + option[2:].replace("-", "_")):
                    self._option_string_actions.setdefault(twin, action)

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        # The two spellings of one option would make each of its abbreviations ambiguous.
        found: dict[int, Any] = {}
        for match in super()._get_option_tuples(option_string):
            found.setdefault(id(match[0]), match)
        return list(found.values())

    def _remainder_action(self) -> argparse.Action | None:
        positionals = [a for a in self._actions if not a.option_strings]
        return positionals[0] if len(positionals) == 1 and positionals[0].nargs == argparse.REMAINDER else None

    def _split(self, args: list[str]) -> tuple[list[str], list[str]]:
        at = 0
        while at < len(args):
            word = args[at]
            if word == "--":
                return args[:at], args[at + 1 :]
            if not word.startswith("-") or word == "-":
                return args[:at], args[at:]
            at += 1 + self._values_after(word)
        return args, []

    def _values_after(self, word: str) -> int:
        """How many of the words that follow an option belong to it (options here take one value or none)."""
        if "=" in word and word.partition("=")[0] != "":
            return 0
        action = self._option_string_actions.get(word)
        if action is None and word.startswith("--"):
            matches = self._get_option_tuples(word)
            action = matches[0][0] if len(matches) == 1 else None
        if action is None:
            return 0
        return 1 if action.nargs is None else action.nargs if isinstance(action.nargs, int) else 0


def _in_our_words(message: str) -> str:
    """What argparse says of an option and its value, as the rest of the command line says it."""
    import re

    found = re.fullmatch(r"argument (\S+): (expected one argument|ignored explicit argument .*)", message)
    if found is None:
        return message
    return f"the option `{found[1]}` {'needs a' if found[2].startswith('expected') else 'takes no'} value"


class TorchXHelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal, descriptions as they were written.

    :mod:`argparse` makes a formatter for every argument that is added, and looks for the terminal's width with
    :mod:`shutil`, whose import costs more than all the rest of reading a command line.
    """

    def __init__(self, prog: str, indent_increment: int = 2, max_help_position: int = 24, **kwargs: Any) -> None:
        kwargs["width"] = kwargs.get("width") or _terminal_width() - 2
        super().__init__(prog, indent_increment, max_help_position, **kwargs)


def _terminal_width() -> int:
    import os
    import sys

    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or DEFAULT_WIDTH  # type: ignore[union-attr]  # below
    except (AttributeError, ValueError, OSError):  # there is no standard output, or it is no terminal
        return DEFAULT_WIDTH


def one_of(names: Iterable[str], what: str) -> Callable[[str], str]:
    """An argument type that accepts the given names only; its error names the nearest.

    Args:
        names: the accepted names.
        what: what they are, for the error: ``unknown <what> `x```.
    """
    known = list(names)

    def parse(value: str) -> str:
        if value in known:
            return value
        hint = nearest(value, known) or f"one of {', '.join(known)}"
        raise argparse.ArgumentTypeError(f"unknown {what} `{value}` ({hint})")

    return parse


def add_flag(parser: argparse.ArgumentParser, *options: str, help: str, **kwargs: Any) -> None:
    """Adds an on/off option that is off by default."""
    parser.add_argument(*options, action="store_true", help=help, **kwargs)
