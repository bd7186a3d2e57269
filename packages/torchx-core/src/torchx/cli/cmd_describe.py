"""``torchx describe``."""

from __future__ import annotations

from torchx.cli.cmd_base import AppHandleSubCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from torchx.runner import Runner


class CmdDescribe(AppHandleSubCommand):
    """Shows a job as its scheduler knows it: its roles, with their commands, resources and so on.

    What ``--json --show-secrets`` prints can be submitted again with ``torchx run --stdin``.
    """

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.parser import add_flag

        super().add_arguments(subparser)
        add_flag(subparser, "--json", help="print the job as JSON")
        add_flag(subparser, "--show-secrets", help="show the values of what looks like a secret")

    def run_with_runner(self, args: argparse.Namespace, runner: Runner) -> None:
        """Prints the job."""
        from torchx.cli.output import print_json, write
        from torchx.cli.render import app_to_plain, app_to_text

        app = runner.describe(args.app_handle)
        if app is None:
            self.exit_missing_app(args.app_handle)
        if args.json:
            print_json(app_to_plain(app, show_secrets=args.show_secrets))
        else:
            write(app_to_text(app, show_secrets=args.show_secrets) + "\n")
