"""``torchx builtins``."""

from __future__ import annotations

from torchx.cli.cmd_base import SubCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


class CmdBuiltins(SubCommand):
    """Lists the components that can be run by name, those of plugins included.

    `torchx run NAME --help` shows the arguments of one.
    """

    needs_config = False

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.parser import add_flag

        subparser.add_argument(
            "--print", metavar="COMPONENT", help="print the source of a component, to make one of your own from"
        )
        add_flag(subparser, "--json", help="print the list as JSON")

    def run(self, args: argparse.Namespace) -> None:
        """Prints the list, or the source of a component."""
        from torchx.cli.output import print_json, print_table, write
        from torchx.specs.finder import get_builtin_source, get_components

        if args.print:
            write(get_builtin_source(args.print))
            return
        components = get_components()
        if args.json:
            print_json([{"name": name, "description": c.description} for name, c in components.items()])
        else:
            print_table(("COMPONENT", "WHAT IT RUNS"), [(name, c.description) for name, c in components.items()])
