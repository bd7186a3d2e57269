"""``torchx configure``."""

from __future__ import annotations

from torchx.cli.cmd_base import SubCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from torchx.runner._configfile import ConfigMerge


class CmdConfigure(SubCommand):
    """Writes the options of schedulers into `.torchxconfig` in the current folder.

    What the file has already stays as it is, comments and values included; only what is missing is added.
    """

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.parser import add_flag

        subparser.add_argument(
            "-s", "--schedulers", metavar="A,B", help="for these schedulers (default: all installed)"
        )
        add_flag(subparser, "--print", help="print what would be written, write nothing")
        add_flag(subparser, "--json", help="print what is added as JSON, with --print the file's whole text, too")
        add_flag(subparser, "-a", "--all", help="all options, not only those that must be given")

    def run(self, args: argparse.Namespace) -> None:
        """Merges the options into the file, or prints them."""
        import os

        from torchx.cli.errors import write_stderr
        from torchx.cli.output import print_json, write
        from torchx.runner._configfile import merge_config, plan_merge
        from torchx.util.configfile import CONFIG_FILE

        schedulers = _names(args.schedulers)
        path = os.path.join(os.getcwd(), CONFIG_FILE)
        merge = (plan_merge if args.print else merge_config)(path, schedulers, required_only=not args.all)
        if args.json:
            record = {"path": merge.path, "changed": merge.changed, "added": merge.added}
            print_json({**record, "text": merge.text} if args.print else record)
        elif args.print:
            write(merge.text)
        else:
            write_stderr(_summary(merge))


def _names(text: str | None) -> list[str] | None:
    names = [name.strip() for name in (text or "").split(",")]
    names = [name for name in names if name]
    if text is not None and not names:
        from torchx.errors import UsageError

        raise UsageError("`--schedulers` names no scheduler", hint="separate several names with commas")
    return names or None


def _summary(merge: ConfigMerge) -> str:
    if not merge.changed:
        return f"{merge.path} has all of it already\n"
    lines = [f"[{name}] {', '.join(options) or '(no option must be given)'}" for name, options in merge.added.items()]
    return "\n".join([f"added to {merge.path}:", *lines]) + "\n"
