"""What the commands share around schedulers: options, and early checks of names and handles."""

from __future__ import annotations

from torchx.errors import TorchXError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def check_scheduler(name: str) -> None:
    """Checks that there is a scheduler of this name; it is not loaded.

    Raises:
        UnknownPluginError: there is none; the hint names the nearest, or the distribution to install.
        DuplicatePluginError: several distributions provide it.
    """
    from torchx.plugins.manager import get_plugin_manager

    get_plugin_manager().get("schedulers", name)


def check_app_handle(app_handle: str) -> None:
    """Checks that a job's handle is well formed and names a known scheduler.

    Raises:
        MalformedAppHandleException: it is not ``SCHEDULER://SESSION/APP_ID``.
        UnknownPluginError: there is no such scheduler.
    """
    from torchx.specs import parse_app_handle

    check_scheduler(parse_app_handle(app_handle).scheduler_backend)


def missing_app(app_handle: str) -> TorchXError:
    """The error for a job that its scheduler does not know; the hint names those with the nearest handles."""
    from torchx.cli.nearest_jobs import nearest_handles

    scheduler = app_handle.partition("://")[0]
    listed = f"`torchx list -s {scheduler}` shows the jobs that {scheduler} knows"
    near = nearest_handles(app_handle)
    return TorchXError(
        f"there is no job `{app_handle}`: it never existed, or its scheduler has forgotten it",
        hint=f"{near} {listed}" if near else listed,
    )


def is_local(scheduler: str) -> bool:
    """Whether jobs of this scheduler run on this machine: the command waits for them, and Ctrl-C cancels them."""
    return scheduler.startswith("local")


def add_scheduler_arguments(parser: argparse.ArgumentParser, action: type[argparse.Action]) -> None:
    """Adds ``-s/--scheduler`` and ``-cfg/--scheduler_args``.

    Args:
        parser: where to add them.
        action: the action that knows the command's section of the configuration files.
    """
    parser.add_argument(
        "-s", "--scheduler", action=action, metavar="NAME", help="the scheduler (default: the local one)"
    )
    parser.add_argument(
        "-cfg",
        "--scheduler_args",
        action=action,
        default="",
        metavar="K=V,K=V",
        help="options of the scheduler; `torchx runopts NAME` lists them",
    )


def default_scheduler() -> str:
    """The scheduler for when none was named."""
    from torchx.schedulers import get_default_scheduler_name

    return get_default_scheduler_name()
