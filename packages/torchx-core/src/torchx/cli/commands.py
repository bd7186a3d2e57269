"""The commands of ``torchx``, the built-in ones and those of plugins, none of them imported before it is used."""

from __future__ import annotations

from torchx.cli.cmd_base import SubCommand
from torchx.util.foreign_output import diverted, foreign_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from types import SimpleNamespace

    from torchx.plugins._entry import PluginEntry
    from torchx.plugins.manager import PluginManager


class LazyCommand(SubCommand):
    """Stands for the command of a plugin and imports it on first use.

    Attributes:
        name: what the user types after ``torchx``.
        summary: one line for ``torchx --help``, empty where the plugin gives none.
        dist: the distribution that it comes from.
        is_builtin: whether that is torchx-core.
    """

    def __init__(self, name: str, manager: PluginManager, entry: PluginEntry) -> None:
        self.name = name
        self.summary = entry.summary
        self.dist = entry.dist
        self.is_builtin = entry.is_builtin
        self._manager = manager
        self._loaded: SubCommand | None = None

    def load(self) -> SubCommand:
        """The command itself.

        Raises:
            PluginLoadError: its plugin does not work.
            DuplicatePluginError: several plugins have a command of this name.
        """
        if self._loaded is None:
            self._loaded = self._manager.get("cli_commands", self.name).make(SubCommand)
        return self._loaded

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments of the command itself."""
        self.load().add_arguments(subparser)

    @property
    def needs_config(self) -> bool:  # type: ignore[override]  # it is asked of the command itself
        """Whether a broken configuration file is an error for the command itself."""
        return self.load().needs_config

    def read_quickly(self, words: Sequence[str]) -> SimpleNamespace | None:
        """Lets the command itself read its arguments, if it can do so without a parser."""
        return self.load().read_quickly(words)

    def run(self, args: argparse.Namespace) -> None:
        """Runs the command itself."""
        self.load().run(args)


def find_commands(*, builtin_only: bool = False) -> dict[str, SubCommand]:
    """The commands by name, the built-in ones first and in their order.

    Args:
        builtin_only: leave out what other distributions add.
    """
    from torchx.plugins.manager import PluginManager, get_plugin_manager

    manager = PluginManager(disabled=["*"]) if builtin_only else get_plugin_manager()
    with diverted(), foreign_output():  # this imports every plugin's module
        entries = manager.cli_commands()
    found: dict[str, SubCommand] = {name: LazyCommand(name, manager, entry) for name, entry in entries.items()}
    builtin = {name: found[name] for name, entry in entries.items() if entry.is_builtin}
    return builtin if builtin_only else {**builtin, **found}


def summary_of(command: SubCommand) -> str:
    """One line about a command: the summary of its plugin, or the first line of its docstring."""
    if isinstance(command, LazyCommand):  # help imports no command to read its docstring
        return command.summary or f"(from {command.dist})"
    return description_of(command).partition("\n")[0]


def description_of(command: SubCommand) -> str:
    """What ``torchx <command> --help`` says about a command: its docstring.

    Raises:
        PluginLoadError: the command's plugin does not work.
    """
    target = command.load() if isinstance(command, LazyCommand) else command
    doc = type(target).__doc__
    if not doc:
        return ""
    import inspect

    return inspect.cleandoc(doc)
