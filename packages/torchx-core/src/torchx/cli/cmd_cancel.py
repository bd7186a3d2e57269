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

    def run_with_runner(self, args: argparse.Namespace, runner: Runner) -> None:
        """Cancels the job and says so."""
        from torchx.cli.errors import write_stderr

        status = runner.status(args.app_handle)
        if status is None:
            self.exit_missing_app(args.app_handle)
        if status.is_terminal():
            write_stderr(f"{args.app_handle} has ended already: {status.state}\n")
            return
        runner.cancel(args.app_handle)
        write_stderr(f"cancelled {args.app_handle}\n")
