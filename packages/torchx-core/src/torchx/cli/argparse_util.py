"""Actions of :mod:`argparse` for commands whose options take their defaults from ``.torchxconfig``."""

from __future__ import annotations

import argparse

from torchx.cli.configured import configured_error, configured_values, given_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class ArgOnceAction(argparse.Action):
    """Stores the value of an option that may stand on the command line only once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Stores the value.

        Raises:
            argparse.ArgumentError: the option was given before.
        """
        given = given_options(namespace)
        if self.dest in given:
            raise argparse.ArgumentError(self, "given more than once")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class torchxconfig(ArgOnceAction):
    """Stores the value of an option whose default stands in the section ``[cli:<subcmd>]`` of ``.torchxconfig``.

    Args:
        subcmd: the command, such as ``run``.
        dest: the option's name; also the key in the configuration file (``-`` and ``_`` are alike there).
        option_strings: its spellings on the command line.
        required: it must be given, here or in the configuration file.
        default: its value when it is given nowhere.
    """

    def __init__(
        self,
        subcmd: str,
        dest: str,
        option_strings: Sequence[str],
        required: bool = False,
        default: Any = None,
        **kwargs: Any,
    ) -> None:
        configured = configured_values(subcmd).get(dest)
        if configured is not None:
            required, default = False, configured
        super().__init__(dest=dest, option_strings=option_strings, required=required, default=default, **kwargs)


class torchxconfig_run(torchxconfig):
    """An option of ``torchx run`` with its default in ``[cli:run]``."""

    def __init__(
        self, dest: str, option_strings: Sequence[str], required: bool = False, default: Any = None, **kwargs: Any
    ) -> None:
        super().__init__("run", dest, option_strings, required, default, **kwargs)


class torchxconfig_list(torchxconfig):
    """An option of ``torchx list`` with its default in ``[cli:list]``."""

    def __init__(
        self, dest: str, option_strings: Sequence[str], required: bool = False, default: Any = None, **kwargs: Any
    ) -> None:
        super().__init__("list", dest, option_strings, required, default, **kwargs)


class torchxconfig_run_flag(argparse.Action):
    """An on/off option of ``torchx run``, ``--x`` and ``--no-x``, with its default in ``[cli:run]``."""

    def __init__(self, dest: str, option_strings: Sequence[str], default: bool | None = None, **kwargs: Any) -> None:
        configured = configured_values("run").get(dest)
        if configured is not None:
            default = _truth("run", dest, configured)
        negated = [f"--no-{option[2:]}" for option in option_strings if option.startswith("--")]
        super().__init__(dest=dest, option_strings=[*option_strings, *negated], nargs=0, default=default, **kwargs)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Switches the option on, or off where it was spelt with ``no``."""
        negated = (option_string or "").startswith(("--no-", "--no_"))
        setattr(namespace, self.dest, not negated)


def _truth(subcmd: str, key: str, text: str) -> bool:
    from torchx.util.values import read_bool

    try:
        return read_bool(text)
    except ValueError as e:
        raise configured_error(subcmd, key, f"`{key}` in section [cli:{subcmd}]: {e}", f"write `{key} = true`") from e
