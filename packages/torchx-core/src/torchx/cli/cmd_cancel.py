"""``torchx cancel``."""

from __future__ import annotations

from torchx.cli.cmd_base import AppHandleSubCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from torchx.runner import Runner


class CmdCancel(AppHandleSubCommand):
    """Ends a job.

    Asks the job's scheduler to end all its replicas. A job that has ended already stays as it is.
    """

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.parser import add_flag

        super().add_arguments(subparser)
        add_flag(subparser, "--json", help="print what was done as JSON")

    def run_with_runner(self, args: argparse.Namespace, runner: Runner) -> None:
        """Cancels the job and says so."""
        from torchx.cli.errors import write_stderr
        from torchx.cli.output import print_json

        status = runner.status(args.app_handle)
        if status is None:
            self.exit_missing_app(args.app_handle)
        if status.is_terminal():
            done = {"app_handle": args.app_handle, "cancelled": False, "state": str(status.state)}
            told = f"{args.app_handle} has ended already: {status.state}\n"
        else:
            runner.cancel(args.app_handle)
            done, told = {"app_handle": args.app_handle, "cancelled": True}, f"cancelled {args.app_handle}\n"
        if args.json:
            print_json(done)
        else:
            write_stderr(told)
