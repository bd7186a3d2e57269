"""Reading the command line of a component into values for its parameters.

The rules, in the order in which they are applied to each word:

- ``--`` ends the component's options; all that follows goes to ``*args``, further ``--`` included.
- ``--name value``, ``--name=value``, ``-n value``, ``-nvalue`` set a parameter. ``_`` and ``-`` in a name are the same,
  a beginning that only one name has will do. A value may start with ``-`` unless it is an option of the component.
- a ``bool`` may stand without a value: ``--debug`` is ``--debug true``.
- the first word that is not an option starts ``*args``: it and all that follows is passed on untouched.
- any other word that starts with ``-`` is an error, so that a misspelt option is not taken for the program's.
"""

from __future__ import annotations

from torchx.errors import UsageError, nearest
from torchx.util.type_hints import is_bool, is_optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from torchx.specs._component_params import Param, Params


class ComponentArgsError(UsageError, ValueError):
    """The arguments given to a component do not fit its parameters.

    Attributes:
        default: the name of the default, from a configuration file or from code, that is wrong; None: another argument.
    """

    default: str | None = None


class HelpRequested(Exception):
    """``--help`` stands among the arguments."""


class ArgvParser:
    """Reads the words of one command line.

    Args:
        params: the parameters of the component.
    """

    def __init__(self, params: Params) -> None:
        self._params = params
        self._flags: dict[str, Param | None] = {}  # None: help
        for param in params.options.values():
            self._flags.update(dict.fromkeys(map(_canonical, param.flags), param))
        for flag in ("-h", "--help"):
            self._flags.setdefault(flag, None)

    def parse(self, argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
        """The values given for the options, by parameter name, and the words left for ``*args``.

        Raises:
            ComponentArgsError: names the word that is wrong.
            HelpRequested: the user asks for help.
        """
        values: dict[str, Any] = {}
        i = 0
        while i < len(argv):
            word = argv[i]
            if word == "--":
                return values, self._rest(argv[i + 1 :])
            found = self._option(word)
            if found is None:
                return values, self._rest(argv[i:])
            param, flag, value = found
            i += 1
            if value is None:
                value = self._following_value(param, flag, argv[i] if i < len(argv) else None)
                i += value is not None
            values[param.name] = convert_value(self._params, param, "true" if value is None else value, flag)
        return values, []

    def _rest(self, words: Sequence[str]) -> list[str]:
        if words and self._params.variadic is None:
            raise self._error(
                f"does not take the argument {words[0]!r}",
                hint=f"its options: {' '.join(p.flag for p in self._params.options.values()) or 'none'}",
            )
        return list(words)

    def _option(self, word: str) -> tuple[Param, str, str | None] | None:
        """The parameter that the word sets, how the word names it, and the value within the word."""
        if not word.startswith("-") or word == "-":
            return None
        for flag, value in _splits(word):
            if (name := self._resolve(flag)) is not None:
                param = self._flags[name]
                if param is None:
                    raise HelpRequested
                return param, flag, value
        if _is_number(word):
            return None
        raise self._unknown(word)

    def _resolve(self, flag: str) -> str | None:
        name = _canonical(flag)
        if name in self._flags:
            return name
        if not name.startswith("--"):
            return None
        starting = [known for known in self._flags if known.startswith(name)]
        if len(starting) > 1:
            raise self._error(f"option {flag!r} is ambiguous: {', '.join(starting)}")
        return starting[0] if starting else None

    def _following_value(self, param: Param, flag: str, word: str | None) -> str | None:
        """The next word where it is the option's value, None for a ``bool`` that stands alone."""
        is_value = word is not None and word != "--" and _canonical(word.partition("=")[0]) not in self._flags
        if is_bool(param.annotation):
            return word if is_value and word is not None and not word.startswith("-") else None
        if not is_value:
            hint = f"write `{flag}={word}` if {word!r} is meant to be the value" if word is not None else None
            raise self._error(f"option `{flag}` needs a value", hint=hint)
        return word

    def _unknown(self, word: str) -> ComponentArgsError:
        name = word.partition("=")[0]
        hint = self._near(name)
        if self._params.variadic is not None:
            own = f"put `--` before it if {name!r} belongs to the program that is run"
            hint = f"{hint} Or {own}" if hint else own
        return self._error(f"has no option {name!r}", hint=hint)

    def _near(self, name: str) -> str | None:
        import difflib

        # The dashes are left out: they would make all short names look alike.
        bare = {flag.lstrip("-"): flag for flag in self._flags}
        near = difflib.get_close_matches(_canonical(name).lstrip("-"), list(bare), n=3, cutoff=0.6)
        return f"did you mean {' or '.join(f'`{bare[n]}`' for n in near)}?" if near else None

    def _error(self, problem: str, hint: str | None = None) -> ComponentArgsError:
        return args_error(self._params, problem, hint)


def args_error(params: Params, problem: str, hint: str | None = None) -> ComponentArgsError:
    return ComponentArgsError(f"component `{params.component}`: {problem}", hint=hint)


def convert_value(params: Params, param: Param, value: object, source: str) -> Any:
    """``value`` as the parameter's type; ``source`` says in the error where it comes from.

    Raises:
        ComponentArgsError: it is not of this type.
    """
    # A parameter whose default is None takes None, whatever its annotation says.
    if value is None and (param.default is None or is_optional(param.annotation)):
        return None
    from torchx.util.conversion import convert

    try:
        return convert(value, param.annotation)
    except (ValueError, TypeError) as e:
        raise args_error(params, f"`{source}`: {e}") from e


def convert_defaults(params: Params, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """As `convert_mapping`, for defaults; an error tells which of them is wrong."""
    values: dict[str, Any] = {}
    rest: list[Any] = []
    for name, value in given.items():
        try:
            converted, words = convert_mapping(params, {name: value})
        except ComponentArgsError as error:
            error.default = name
            raise
        values |= converted
        rest = words or rest
    return values, rest


def convert_mapping(params: Params, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Values given by name, from a configuration or from code, as :py:meth:`ArgvParser.parse` returns them.

    Raises:
        ComponentArgsError: a name is not a parameter's, or a value does not fit.
    """
    values: dict[str, Any] = {}
    rest: list[Any] = []
    for name, value in given.items():
        param = params.find(name)
        if param is None:
            raise args_error(params, f"has no parameter {name!r}", nearest(name, params.names()))
        if param is params.variadic:
            rest = _words(params, param, value)
        else:
            values[param.name] = convert_value(params, param, value, param.name)
    return values, rest


def _words(params: Params, param: Param, value: object) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str):
        import shlex

        try:
            return shlex.split(value)
        except ValueError as e:
            raise args_error(params, f"`{param.name}`: {e}: {value!r}") from e
    if not isinstance(value, (list, tuple)):
        raise args_error(params, f"`{param.name}`: expected a list, got {value!r}")
    return list(value)


def _splits(word: str) -> list[tuple[str, str | None]]:
    """The ways to read a word as an option and its value, most likely first."""
    flag, equals, value = word.partition("=")
    ways: list[tuple[str, str | None]] = [(flag, value)] if equals else [(word, None)]
    if not word.startswith("--") and len(word) > 2:
        ways.append((word[:2], word[2:]))
    return ways


def _canonical(flag: str) -> str:
    return f"--{flag[2:].replace('-', '_')}" if flag.startswith("--") else flag


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
