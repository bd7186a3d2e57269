"""What the section ``[cli:<command>]`` of the configuration files says, and what the command line itself said."""

from __future__ import annotations

from torchx.errors import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from typing import Any

    from torchx.util.configfile import ConfigFile


def given_options(namespace: argparse.Namespace) -> set[str]:
    """The names of the options that stood on the command line themselves, as far as their actions keep book."""
    given: set[str] = namespace.__dict__.setdefault("_given", set())
    return given


def configured_values(subcmd: str) -> dict[str, str]:
    """The section ``[cli:<subcmd>]`` of the configuration files, its keys with ``_``.

    Raises:
        ConfigError: a configuration file is malformed.
    """
    from torchx.runner.config import get_configs

    return {key.replace("-", "_"): value for key, value in get_configs("cli", subcmd).items()}


def configured_value(subcmd: str, key: str) -> Any:
    """One value of the section ``[cli:<subcmd>]`` as the file has it: text, or what TOML knows; None without."""
    found = _find(subcmd, key)
    return None if found is None else found[0].sections[f"cli:{subcmd}"][found[1]]


def configured_error(subcmd: str, key: str, problem: str, hint: str | None) -> UsageError:
    """The error for a mistake in the section ``[cli:<subcmd>]``, with the file and the line where the key stands.

    Args:
        subcmd: the command.
        key: the key, with ``_``.
        problem: what is wrong.
        hint: what to do.
    """
    found = _find(subcmd, key)
    if found is None:
        return UsageError(problem, hint=hint)
    return found[0].error(problem, f"cli:{subcmd}", found[1], hint=hint)


def _find(subcmd: str, key: str) -> tuple[ConfigFile, str] | None:
    """The file whose value of a key of ``[cli:<subcmd>]`` wins, and how the key is written there."""
    from torchx.runner.config import find_configs
    from torchx.util.configfile import read_config

    for file in map(read_config, find_configs()):
        for written in file.sections.get(f"cli:{subcmd}", {}):
            if written.replace("-", "_") == key:
                return file, written
    return None


class Configured:
    """A context in which a mistake of the user is one in the section ``[cli:<subcmd>]``, told with file and line.

    Args:
        subcmd: the command.
        key: the key whose value is used, with ``_``.
        applies: False where the value comes from somewhere else; nothing is done then.
        only: gives the errors that this key can be to blame for; asked when there is one.
    """

    def __init__(
        self,
        subcmd: str,
        key: str,
        applies: bool = True,
        only: Callable[[], tuple[type[UsageError], ...]] = lambda: (UsageError,),
    ) -> None:
        self._subcmd = subcmd
        self._key = key
        self._applies = applies
        self._only = only

    def __enter__(self) -> None:
        """Begins."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Replaces the error."""
        if not self._applies or not isinstance(error, UsageError) or not isinstance(error, self._only()):
            return
        from torchx.util.configfile import ConfigError

        if not isinstance(error, ConfigError) and self._key in configured_values(self._subcmd):
            raise configured_error(self._subcmd, self._key, error.message, error.hint) from error


def check_configured_keys(subcmd: str, known: Sequence[str]) -> None:
    """Checks that the section ``[cli:<subcmd>]`` sets nothing that the command does not have.

    Raises:
        UsageError: it does; names the file, the line, the key and the nearest valid one.
    """
    for key in configured_values(subcmd):
        if key not in known:
            hint = nearest(key, known) or f"it may set {', '.join(sorted(known))}"
            raise configured_error(subcmd, key, f"unknown key `{key}` in section [cli:{subcmd}]", hint)
