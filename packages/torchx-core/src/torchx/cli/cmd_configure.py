"""``torchx configure``."""

from __future__ import annotations

from torchx.cli.cmd_base import SubCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from torchx.runner._configfile import ConfigMerge
    from torchx.util.configfile import ConfigFile


class CmdConfigure(SubCommand):
    """Writes the options of schedulers into `.torchxconfig` in the current folder, or into the file `$TORCHXCONFIG`.

    What another file sets is written as a comment.
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
        from torchx.cli.errors import write_stderr
        from torchx.cli.output import print_json, write
        from torchx.runner._configfile import merge_config, plan_merge

        schedulers = _names(args.schedulers)
        path, others = _files()
        plan = plan_merge if args.print else merge_config
        merge = plan(path, schedulers, required_only=not args.all, others=others)
        if args.json:
            record = {"path": merge.path, "changed": merge.changed, "added": merge.added}
            print_json({**record, "text": merge.text} if args.print else record)
        elif args.print:
            write(merge.text)
        else:
            write_stderr(_summary(merge))


def _files() -> tuple[str, list[ConfigFile]]:
    """The file to write, and the others that are read beside it.

    Raises:
        UsageError: no file is read.
    """
    import os

    from torchx.errors import UsageError
    from torchx.runner.config import ENV_TORCHXCONFIG, find_configs
    from torchx.util.configfile import CONFIG_FILE, read_config

    named = os.environ.get(ENV_TORCHXCONFIG)
    if named:
        return os.path.expanduser(named), []
    if named is not None:
        raise UsageError(
            f"${ENV_TORCHXCONFIG} is empty, so that no configuration file is read", hint=f"unset {ENV_TORCHXCONFIG}"
        )
    path = os.path.join(os.getcwd(), CONFIG_FILE)
    same = os.path.realpath(path)
    return path, [read_config(other) for other in find_configs() if os.path.realpath(other) != same]


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
