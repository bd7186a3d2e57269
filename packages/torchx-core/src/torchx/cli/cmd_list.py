"""``torchx list``."""

from __future__ import annotations

import sys

from torchx.cli.cmd_base import SubCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from torchx.runner import Runner
    from torchx.schedulers.api import ListAppResponse
    from torchx.specs import CfgVal

STATE_WIDTH = len("UNSUBMITTED") + 2


class CmdList(SubCommand):
    """Lists the jobs of a scheduler: handle, state, name and, where it is known, when the job was submitted.

    The lines come as the scheduler tells of the jobs; those of this machine newest first. Away from a terminal tabs
    separate the columns; ``--json`` prints one JSON object a line.
    """

    needs_config = False

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments."""
        from torchx.cli.argparse_util import torchxconfig_list
        from torchx.cli.parser import add_flag
        from torchx.cli.schedulers import add_scheduler_arguments

        add_scheduler_arguments(subparser, torchxconfig_list)
        add_flag(subparser, "--json", help="print one JSON object a line")

    def run(self, args: argparse.Namespace) -> None:
        """Prints the jobs."""
        from torchx.cli.configured import Configured, check_configured_keys, given_options
        from torchx.cli.output import is_terminal, print_json, write
        from torchx.cli.schedulers import check_scheduler, default_scheduler
        from torchx.runner import get_runner
        from torchx.runner.config import tell_unknown_names

        tell_unknown_names()
        check_configured_keys("list", ("scheduler", "scheduler_args", "json"))
        scheduler = args.scheduler or default_scheduler()
        given = given_options(args)
        with Configured("list", "scheduler", "scheduler" not in given):
            check_scheduler(scheduler)
        terminal = is_terminal()
        with get_runner() as runner:
            with Configured("list", "scheduler_args", "scheduler_args" not in given):
                cfg = _cfg(runner, scheduler, args.scheduler_args or "")
            for app in runner.iter_list(scheduler, cfg):
                if args.json:
                    print_json(_to_plain(app), indent=None)
                else:
                    write(_row(app, terminal), flush=terminal)


def _cfg(runner: Runner, scheduler: str, text: str) -> dict[str, CfgVal] | None:
    """The options given, here and in the configuration files; None without any: what a job needs, a list does not."""
    from torchx.runner.config import apply_options

    opts = runner.scheduler_run_opts(scheduler)
    cfg = opts.cfg_from_str(text)
    apply_options(scheduler, opts, cfg)
    return cfg or None


def _row(app: ListAppResponse, terminal: bool) -> str:
    from torchx.cli.output import cell, paint_state

    state, name, when = str(app.state), cell(app.name), _when(app, " ")
    if terminal:
        padding = " " * (STATE_WIDTH - len(state))
        row = [when, f"{paint_state(state, sys.stdout)}{padding}{app.app_handle}", name]
        return "  ".join(filter(None, row)) + "\n"
    return "\t".join([app.app_handle, state, name, *filter(None, [when])]) + "\n"


def _to_plain(app: ListAppResponse) -> dict[str, str | None]:
    return {
        "app_handle": app.app_handle,
        "app_id": app.app_id,
        "state": str(app.state),
        "name": app.name,
        "submitted": _when(app, "T") or None,
    }


def _when(app: ListAppResponse, separator: str) -> str:
    """When the job was submitted: the local time, with its difference from UTC; empty where it is not known."""
    import time

    if app.submitted is None:
        return ""
    return time.strftime(f"%Y-%m-%d{separator}%H:%M:%S%z", time.localtime(app.submitted))
