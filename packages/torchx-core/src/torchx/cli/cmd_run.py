"""``torchx run``."""

from __future__ import annotations

import sys

from torchx.cli.cmd_base import SubCommand
from torchx.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from types import SimpleNamespace
    from typing import Any

    from torchx.cli.job import Job
    from torchx.runner import Runner
    from torchx.specs import AppDryRunInfo, CfgVal

CONFIG_KEYS = (
    "component",
    "scheduler",
    "scheduler_args",
    "dryrun",
    "wait",
    "log",
    "workspace",
    "parent_run_id",
    "tee_logs",
    "stdin",
    "json",
    "show_secrets",
)
"""What ``[cli:run]`` may set."""


_SWITCHES = {
    "--dryrun": "dryrun",
    "--wait": "wait",
    "--log": "log",
    "--tee_logs": "tee_logs",
    "--stdin": "stdin",
    "--json": "json",
    "--show-secrets": "show_secrets",
}
_VALUES = {
    "-s": "scheduler",
    "--scheduler": "scheduler",
    "-cfg": "scheduler_args",
    "--scheduler_args": "scheduler_args",
    "--workspace": "workspace",
    "--parent_run_id": "parent_run_id",
}
_DEFAULTS = {**dict.fromkeys((*_SWITCHES.values(), *_VALUES.values())), "scheduler_args": ""}


class CmdRun(SubCommand):
    """Submits a job, made by a component from its arguments or read from standard input.

    torchx run -s local_cwd utils.echo --msg hello
    torchx run -s slurm -cfg partition=gpu dist.ddp -j 2x8 --script train.py

    The first line on standard output is the handle of the job, by which every other command finds it. A job on this
    machine (a `local...` scheduler) is waited for, its log lines and its end are shown on standard error, and Ctrl-C
    cancels it; a job elsewhere goes on by itself. The exit status is 1 if the job was waited for and did not succeed.
    """

    def add_arguments(self, subparser: argparse.ArgumentParser) -> None:
        """Adds the arguments; each takes its default from the section ``[cli:run]`` of the configuration files."""
        import argparse

        from torchx.cli.argparse_util import torchxconfig_run, torchxconfig_run_flag
        from torchx.cli.schedulers import add_scheduler_arguments

        subparser.usage = f"{subparser.prog} [OPTION ...] COMPONENT [COMPONENT ARGUMENT ...]"
        _mention_configured_component(subparser)

        def flag(name: str, help: str) -> None:
            subparser.add_argument(name, action=torchxconfig_run_flag, help=help)

        add_scheduler_arguments(subparser, torchxconfig_run)
        flag("--dryrun", "show the job and the scheduler's request, submit nothing")
        flag("--wait", "wait for the end of the job")
        flag("--log", "show the log lines of the job until it ends")
        flag("--tee_logs", "as --log; every line tells its role/replica")
        subparser.add_argument(
            "--workspace",
            action=torchxconfig_run,
            metavar="PATH",
            help="the folder (or a mapping of several) that the job brings along; empty: none (default: this folder)",
        )
        subparser.add_argument(
            "--parent_run_id", action=torchxconfig_run, metavar="ID", help="the run that this one belongs to"
        )
        flag("--stdin", "read the job as JSON from standard input")
        flag("--json", "print the handle, the end and the dry run as JSON, one object a line")
        flag("--show-secrets", "in a dry run, show the values of what looks like a secret")
        subparser.add_argument(
            "conf_args",
            nargs=argparse.REMAINDER,
            metavar="COMPONENT ...",
            help="a component (`torchx builtins`, FILE.py:FUNCTION, MODULE:FUNCTION) and its own arguments",
        )

    def read_quickly(self, words: Sequence[str]) -> SimpleNamespace | None:
        """What ``add_arguments`` would lead to, for ordinary command lines and without a configured default."""
        from torchx.cli.configured import configured_values
        from torchx.cli.quick_args import read_quickly

        if configured_values("run"):
            return None
        return read_quickly(words, switches=_SWITCHES, values=_VALUES, defaults=_DEFAULTS, remainder="conf_args")

    def run(self, args: argparse.Namespace) -> None:
        """Submits the job, and follows it if that is asked for."""
        from torchx.cli.configured import Configured, check_configured_keys
        from torchx.cli.schedulers import check_scheduler, default_scheduler
        from torchx.runner import get_runner
        from torchx.runner.config import tell_unknown_names

        tell_unknown_names()
        check_configured_keys("run", CONFIG_KEYS)
        job = _job(args)
        scheduler = _chosen(args, "scheduler", job.scheduler) or default_scheduler()
        with Configured("run", "scheduler", _is_configured(args, "scheduler", job.scheduler)):
            check_scheduler(scheduler)
        with get_runner() as runner:
            if not args.dryrun:
                runner.prepare(scheduler)
            info = _dryrun(runner, job, scheduler, args)
            if args.dryrun:
                _show(info, scheduler, args)
            else:
                _submit(runner, info, scheduler, args)


def _mention_configured_component(parser: argparse.ArgumentParser) -> None:
    """Says, where an option is not known, how to hand it to the component of the configuration files."""
    from torchx.cli.configured import configured_values
    from torchx.cli.parser import TorchXArgumentParser

    component = configured_values("run").get("component", "").partition(" ")[0]
    if component and isinstance(parser, TorchXArgumentParser):
        parser.unknown_hint = f"write `{parser.prog} -- {{word}} ...` if it is meant for `{component}`"


def _job(args: argparse.Namespace) -> Job:
    from torchx.cli.job import Job

    if args.stdin:
        if args.conf_args:
            raise UsageError(f"`{args.conf_args[0]}`: with --stdin the job is read from standard input")
        return _read_stdin()
    words = args.conf_args
    configured = not words or words[0].startswith("-")
    if configured:
        words = _configured_words() + words
    return Job(component=words[0], component_args=words[1:], configured=configured)


def _configured_words() -> list[str]:
    """The component of the configuration files, with the arguments that stand behind it there."""
    from torchx.cli.configured import Configured, configured_value

    value = configured_value("run", "component")
    words = [str(word) for word in value] if isinstance(value, list) else str(value or "").strip()
    if not words:
        raise UsageError("no component given", hint="`torchx builtins` lists those that can be run by name")
    if isinstance(words, list):
        return words
    import shlex

    with Configured("run", "component"):
        try:
            return shlex.split(words)
        except ValueError as error:
            raise UsageError(f"`component = {words}`: {error}", hint="quote as in a shell") from error


def _read_stdin() -> Job:
    from torchx.cli.job_json import parse_job

    text = sys.stdin.read() if sys.stdin is not None else ""
    if not text.strip():
        raise UsageError("standard input holds no job", hint="pipe a job into it, as JSON")
    return parse_job(text)


def _chosen(args: argparse.Namespace, name: str, from_job: Any) -> Any:
    """An option's value: from the command line, else from the job, else from the configuration files."""
    from torchx.cli.configured import given_options

    return getattr(args, name) if name in given_options(args) or from_job is None else from_job


def _is_configured(args: argparse.Namespace, name: str, from_job: Any = None) -> bool:
    """Whether an option's value comes from the configuration files, if it is set at all."""
    from torchx.cli.configured import given_options

    return from_job is None and name not in given_options(args)


def _dryrun(runner: Runner, job: Job, scheduler: str, args: argparse.Namespace) -> AppDryRunInfo[Any]:
    from torchx.cli.configured import Configured

    with Configured("run", "scheduler_args", _is_configured(args, "scheduler_args")):
        cfg: Mapping[str, CfgVal] = {**job.cfg, **runner.cfg_from_str(scheduler, args.scheduler_args or "")}
    with Configured("run", "workspace", _is_configured(args, "workspace", job.workspace)):
        workspace = _workspace(_chosen(args, "workspace", job.workspace))
    parent = _chosen(args, "parent_run_id", job.parent_run_id)
    options: dict[str, Any] = {"cfg": cfg, "workspace": workspace, "parent_run_id": parent}
    if job.app is not None:
        return runner.dryrun(job.app, scheduler, **options)
    with Configured("run", "component", job.configured, only=lambda: _component_errors(args.conf_args)):
        return runner.dryrun_component(job.component, job.component_args, scheduler, **options)


def _component_errors(given: Sequence[str]) -> tuple[type[UsageError], ...]:
    """The errors that are about the component of the configuration files, or about its arguments if they are alone."""
    from torchx.specs.builders import ComponentArgsError
    from torchx.specs.finder import ComponentNotFoundException, ComponentValidationException

    about_component = (ComponentNotFoundException, ComponentValidationException)
    return about_component if given else (*about_component, ComponentArgsError)


def _workspace(given: str | None) -> str | None:
    import os

    if given is None:
        try:
            return os.getcwd()
        except FileNotFoundError as error:
            raise UsageError("the current folder does not exist any more", hint="cd to a folder that exists") from error
    if not given:
        return None
    from torchx.specs.api import Workspace

    # Here and not only by who builds it: a scheduler that needs no workspace would accept any.
    for project in Workspace.from_str(given).projects:
        if "://" not in project and not os.path.exists(project):
            raise UsageError(f"workspace `{project}` does not exist", hint="name an existing folder")
    return given


def _show(info: AppDryRunInfo[Any], scheduler: str, args: argparse.Namespace) -> None:
    from torchx.cli.output import print_json, write
    from torchx.cli.render import app_to_plain, cfg_to_plain, plain_to_text, request_to_text

    assert info._app is not None
    app = app_to_plain(info._app, show_secrets=args.show_secrets)
    request = request_to_text(info, show_secrets=args.show_secrets)
    if args.json:
        cfg = cfg_to_plain(info._cfg or {}, show_secrets=args.show_secrets)
        print_json({"scheduler": scheduler, "cfg": cfg, "app": app, "request": request}, indent=None)
    else:
        write(f"=== APPLICATION ===\n{plain_to_text(app)}\n\n=== SCHEDULER REQUEST ===\n{request}\n")


def _submit(runner: Runner, info: AppDryRunInfo[Any], scheduler: str, args: argparse.Namespace) -> None:
    from torchx.cli.schedulers import is_local
    from torchx.cli.watch import interrupts_held, leave, say_how_to_follow, watch

    local = is_local(scheduler)
    log = args.log if args.log is not None else bool(args.tee_logs) or (local and args.wait is not False)
    handle = ""
    try:
        with interrupts_held():
            handle = runner.schedule(info)
            _tell_handle(handle, scheduler, as_json=bool(args.json))
        if log or args.wait or (args.wait is None and local):
            watch(runner, handle, log=log, as_json=bool(args.json))
        else:
            say_how_to_follow(handle)
    except KeyboardInterrupt:
        if not handle:
            raise
        leave(runner, handle, cancel=local)
    except Exception:
        if handle:  # it could not be printed, or following failed
            say_how_to_follow(handle)
        raise


def _tell_handle(handle: str, scheduler: str, *, as_json: bool) -> None:
    from torchx.cli.output import print_json, write

    if as_json:
        print_json({"app_handle": handle, "scheduler": scheduler, "app_id": handle.rpartition("/")[2]}, indent=None)
    else:
        write(f"{handle}\n", flush=True)
