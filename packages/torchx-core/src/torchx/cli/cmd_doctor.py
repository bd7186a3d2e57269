"""``torchx doctor``."""

from __future__ import annotations

import sys

from torchx.cli.cmd_base import SubCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from torchx.cli.checkup import Finding

DEFAULT_TIMEOUT = 10.0
INDENT = " " * 12


class CmdDoctor(SubCommand):
    """Checks every installed plugin: does it load, which versions of its client are there, does its backend answer.

    The exit status is 1 if something does not work. A backend that cannot be reached counts only if it is named.
    """

    needs_config = False

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.parser import add_flag

        subparser.add_argument("names", nargs="*", metavar="NAME", help="schedulers or distributions (default: all)")
        subparser.add_argument(
            "--timeout",
            type=_seconds,
            default=DEFAULT_TIMEOUT,
            metavar="SECONDS",
            help=f"how long to wait for each plugin and backend (default: {DEFAULT_TIMEOUT:g})",
        )
        add_flag(subparser, "--json", help="print one JSON object a finding")

    def run(self, args: argparse.Namespace) -> None:
        """Prints a line for each check."""
        from torchx.cli.checkup_processes import Checkup
        from torchx.cli.output import print_json

        failed = False
        with Checkup(args.timeout) as checkup:
            checkup.check_names(args.names)
            for finding in checkup.findings(args.names):
                failed = failed or finding.status == "failed" or (bool(args.names) and finding.status == "unreachable")
                if args.json:
                    print_json(finding.to_plain(), indent=None)
                else:
                    _print(finding)
        if failed:
            sys.exit(1)


def _seconds(text: str) -> float:
    import argparse

    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is no number of seconds above 0")
    return value


def _print(finding: Finding) -> None:
    from torchx.cli.output import write
    from torchx.util.colors import paint

    color = {"ok": "GREEN", "failed": "RED", "unreachable": "ORANGE"}.get(finding.status, "GRAY")
    status = paint(f"{finding.status:<12}", color, sys.stdout)
    detail = finding.detail.replace("\n", f"\n{INDENT}")
    write(f"{status}{finding.dist}  {finding.subject}: {detail}".rstrip(": ") + "\n", flush=True)
    if finding.fix:
        write(f"{INDENT}fix: {finding.fix}\n", flush=True)
