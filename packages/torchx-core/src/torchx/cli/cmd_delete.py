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

    def run_with_runner(self, args: argparse.Namespace, runner: Runner) -> None:
        """Deletes the job and says so."""
        from torchx.cli.errors import write_stderr

        if runner.status(args.app_handle) is None:
            self.exit_missing_app(args.app_handle)
        runner.delete(args.app_handle)
        write_stderr(f"deleted {args.app_handle}\n")
