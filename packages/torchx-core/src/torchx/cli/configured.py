"""What the section ``[cli:<command>]`` of the configuration files says, and what the command line itself said."""

from __future__ import annotations

from torchx.errors import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


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


def configured_error(subcmd: str, key: str, problem: str, hint: str) -> UsageError:
    """The error for a mistake in the section ``[cli:<subcmd>]``, with the file and the line where the key stands.

    Args:
        subcmd: the command.
        key: the key, with ``_``.
        problem: what is wrong.
        hint: what to do.
    """
    from torchx.runner.config import find_configs
    from torchx.util.configfile import read_config

    section = f"cli:{subcmd}"
    for file in map(read_config, find_configs()):
        for written in file.sections.get(section, {}):
            if written.replace("-", "_") == key:
                return file.error(problem, section, written, hint=hint)
    return UsageError(problem, hint=hint)


def check_configured_keys(subcmd: str, known: Sequence[str]) -> None:
    """Checks that the section ``[cli:<subcmd>]`` sets nothing that the command does not have.

    Raises:
        UsageError: it does; names the file, the line, the key and the nearest valid one.
    """
    for key in configured_values(subcmd):
        if key not in known:
            hint = nearest(key, known) or f"it may set {', '.join(sorted(known))}"
            raise configured_error(subcmd, key, f"unknown key `{key}` in section [cli:{subcmd}]", hint)
