"""``torchx delete``."""

from __future__ import annotations

from torchx.cli.cmd_base import AppHandleSubCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from torchx.runner import Runner


class CmdDelete(AppHandleSubCommand):
    """Removes a job from its scheduler.

    The job is cancelled if it still runs; its state and its logs are gone afterwards.
    """

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.parser import add_flag

        super().add_arguments(subparser)
        add_flag(subparser, "--json", help="print what was done as JSON")

    def run_with_runner(self, args: argparse.Namespace, runner: Runner) -> None:
        """Deletes the job and says so."""
        from torchx.cli.errors import write_stderr
        from torchx.cli.output import print_json

        if runner.status(args.app_handle) is None:
            self.exit_missing_app(args.app_handle)
        runner.delete(args.app_handle)
        if args.json:
            print_json({"app_handle": args.app_handle, "deleted": True})
        else:
            write_stderr(f"deleted {args.app_handle}\n")
