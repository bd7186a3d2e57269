"""What a command of ``torchx`` is: the base class of the built-in ones and of those that plugins add."""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from types import SimpleNamespace
    from typing import NoReturn

    from torchx.runner import Runner


class SubCommand(ABC):
    """A command of ``torchx``.

    Its docstring is what ``torchx <name> --help`` shows; the first line is its summary. It is created without
    arguments, and only when it is asked for.
    """

    needs_config = True
    """Whether a configuration file that is malformed, or cannot be read, is an error for it; else it is a warning."""

    @abstractmethod
    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the command's options and arguments to its parser."""

    def read_quickly(self, words: Sequence[str]) -> SimpleNamespace | None:
        """Reads the arguments without a parser; None, the default: let the parser of ``add_arguments`` do it."""
        return None

    @abstractmethod
    def run(self, args: argparse.Namespace) -> None:
        """Does what the command is for.

        Raises:
            TorchXError: what went wrong; shown as ``error:`` and ``hint:``, its ``exit_code`` becomes the exit status.
            SystemExit: ends with that status.
        """


class AppHandleSubCommand(SubCommand):
    """A command about one job, which is named by its handle."""

    needs_config = False

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the positional argument ``app_handle``."""
        subparser.add_argument(
            "app_handle",
            metavar="APP_HANDLE",
            help="the job, as `torchx run` printed it: SCHEDULER://SESSION/APP_ID",
        )

    def run(self, args: argparse.Namespace) -> None:
        """Opens a runner and hands over to :meth:`run_with_runner`."""
        from torchx.cli.schedulers import check_app_handle
        from torchx.runner import get_runner
        from torchx.specs import UnknownAppException

        check_app_handle(args.app_handle)
        with get_runner() as runner:
            try:
                self.run_with_runner(args, runner)
            except UnknownAppException:  # it has gone between two questions
                self.exit_missing_app(args.app_handle)

    @abstractmethod
    def run_with_runner(self, args: argparse.Namespace, runner: Runner) -> None:
        """Does what the command is for, with an open runner."""

    def exit_missing_app(self, app_handle: str) -> NoReturn:
        """Ends the command with status 1: the scheduler knows no such job (it never existed or is forgotten)."""
        import sys

        from torchx.cli.errors import EXIT_FAILURE, print_error
        from torchx.cli.schedulers import missing_app

        print_error(missing_app(app_handle))
        sys.exit(EXIT_FAILURE)
