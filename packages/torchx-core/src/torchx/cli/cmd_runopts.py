"""``torchx runopts``."""

from __future__ import annotations

from torchx.cli.cmd_base import SubCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from torchx.runner import Runner
    from torchx.specs import runopts


class CmdRunopts(SubCommand):
    """Shows the options of a scheduler, or of all: what `torchx run -cfg` and `.torchxconfig` may set."""

    needs_config = False

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.parser import add_flag

        subparser.add_argument("scheduler", nargs="?", metavar="SCHEDULER", help="the scheduler (default: all)")
        add_flag(subparser, "--json", help="print the options as JSON")

    def run(self, args: argparse.Namespace) -> None:
        """Prints the options."""
        from torchx.cli.output import print_json, write
        from torchx.cli.schedulers import check_scheduler
        from torchx.runner import get_runner

        if args.scheduler:
            check_scheduler(args.scheduler)
        with get_runner() as runner:
            if args.json:
                print_json({name: _to_plain(opts) for name, opts in _options(runner, args.scheduler)})
                return
            for name, opts in _options(runner, args.scheduler):
                described = "\n".join(f"    {line}".rstrip() for line in repr(opts).splitlines())
                write(f"{name}:\n{described}\n\n")


def _options(runner: Runner, scheduler: str | None) -> Iterator[tuple[str, runopts]]:
    """The options of one scheduler or of all; among all, one that does not work is told and left out."""
    from torchx.cli.errors import print_error
    from torchx.plugins.manager import get_plugin_manager

    if scheduler:
        yield scheduler, runner.scheduler_run_opts(scheduler)
        return
    for name in get_plugin_manager().schedulers():
        try:
            opts = runner.scheduler_run_opts(name)
        except Exception as error:  # whatever the factory of a plugin raises
            print_error(error)
        else:
            yield name, opts


def _to_plain(opts: runopts) -> dict[str, dict[str, Any]]:
    from torchx.specs import get_type_name

    return {
        name: {
            "type": get_type_name(opt.opt_type),
            "default": opt.default,
            "required": opt.is_required,
            "help": opt.help,
        }
        for name, opt in opts
    }
