"""``torchx completion``."""

from __future__ import annotations

from torchx.cli.cmd_base import SubCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

SHELLS = ("bash", "zsh", "tcsh")


class CmdCompletion(SubCommand):
    """Prints the completion script of `torchx` for a shell; the commands of installed plugins are part of it.

    bash: torchx completion bash > ~/.local/share/bash-completion/completions/torchx
    zsh:  torchx completion zsh > a folder of $fpath, as _torchx
    tcsh: torchx completion tcsh > /etc/profile.d/torchx.completion.csh
    """

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.parser import one_of

        subparser.add_argument("shell", type=one_of(SHELLS, "shell"), metavar="|".join(SHELLS), help="the shell")

    def run(self, args: argparse.Namespace) -> None:
        """Prints the script."""
        import shtab

        from torchx.cli.main import create_parser, get_sub_cmds
        from torchx.cli.output import write

        write(shtab.complete(create_parser(get_sub_cmds()), shell=args.shell) + "\n")
