"""``torchx status``."""

from __future__ import annotations

import sys

from torchx.cli.cmd_base import AppHandleSubCommand
from torchx.errors import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from torchx.runner import Runner
    from torchx.specs import AppStatus


class CmdStatus(AppHandleSubCommand):
    """Shows the state of a job, of each of its replicas, and the errors that they reported."""

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.parser import add_flag

        super().add_arguments(subparser)
        subparser.add_argument("--roles", default="", metavar="A,B", help="only these roles")
        add_flag(subparser, "--json", help="print the status as JSON")

    def run_with_runner(self, args: argparse.Namespace, runner: Runner) -> None:
        """Prints the status."""
        from torchx.cli.output import print_json, write
        from torchx.cli.render import status_to_plain, status_to_text

        status = runner.status(args.app_handle)
        if status is None:
            self.exit_missing_app(args.app_handle)
        roles = [name.strip() for name in args.roles.split(",") if name.strip()] or None
        _check_roles(status, roles or [])
        if args.json:
            print_json(status_to_plain(args.app_handle, status, roles))
        else:
            write(f"{args.app_handle}\n{status_to_text(status, sys.stdout, roles)}\n")


def _check_roles(status: AppStatus, names: list[str]) -> None:
    known = [role.role for role in status.roles]
    for name in names:
        if known and name not in known:
            raise UsageError(f"the job has no role `{name}`", hint=nearest(name, known) or f"roles: {', '.join(known)}")
