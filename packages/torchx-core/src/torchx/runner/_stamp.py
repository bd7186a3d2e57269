"""What a job gets on its way to a scheduler: who it is, where it comes from, and what the site's plugins make of it."""

from __future__ import annotations

from torchx.runner.events.recorder import apart
from torchx.settings import ENV_TORCHX_JOB_ID, ENV_TORCHX_PARENT_RUN_ID
from torchx.specs.api import macros, make_app_handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx.plugins.lifecycle import HookRelay
    from torchx.runner._memory import Memory
    from torchx.specs.api import AppDef, AppStatus, CfgVal


def stamp_environment(
    app: AppDef, session: str, scheduler: str, parent_run_id: str | None, trackers: Mapping[str, str | None]
) -> None:
    """Sets the environment that tells every replica its job, its parent run and its trackers.

    Args:
        app: changed in place.
        session: name of the runner's session.
        scheduler: name of the scheduler.
        parent_run_id: the run that the job belongs to.
        trackers: the configured trackers; a role may choose others.
    """
    environment: dict[str, str] = {}
    if trackers:
        from torchx.tracker.api import tracker_environment

        environment.update(tracker_environment(trackers))
    ours = {ENV_TORCHX_JOB_ID: make_app_handle(scheduler, session, macros.app_id)}
    if parent_run_id:
        ours[ENV_TORCHX_PARENT_RUN_ID] = parent_run_id
    for role in app.roles:
        # A role may choose trackers of its own, but no other identity.
        role.env = {**environment, **role.env, **ours}


def with_job_id(app: AppDef, app_id: str) -> AppDef:
    """A submitted job, with the handle that its replicas are told; all else is as it was described.

    Args:
        app: the job; it stays as it is.
        app_id: the job's id.
    """
    import copy

    named = copy.copy(app)
    named.roles = [copy.copy(role) for role in app.roles]
    for role in named.roles:
        if macros.app_id in role.env.get(ENV_TORCHX_JOB_ID, ""):
            handle = role.env[ENV_TORCHX_JOB_ID].replace(macros.app_id, app_id)
            role.env = {**role.env, ENV_TORCHX_JOB_ID: handle}
    return named


def stamp_metadata(app: AppDef, scheduler: str) -> None:
    """What tools read back from a scheduler: who submitted this, and from where."""
    import os

    from torchx.specs.metadata_keys import TORCHX_CONTEXT_NAME, app_metadata
    from torchx.version import __version__

    context = os.environ.get(TORCHX_CONTEXT_NAME)
    if context:
        app.metadata.setdefault(app_metadata.CONTEXT, context)
    app.metadata.setdefault(app_metadata.VERSION, __version__)
    app.metadata.setdefault(app_metadata.SCHEDULER, scheduler)


def transform(app: AppDef, scheduler: str, cfg: Mapping[str, CfgVal], parent_run_id: str | None) -> None:
    """Lets the site's plugins look at the job, and change it."""
    hooks = lifecycle_hooks()
    if hooks is not None:
        from torchx.plugins.lifecycle import TransformRequest

        with apart():
            request = TransformRequest(app=app, scheduler=scheduler, cfg=cfg, parent_run_id=parent_run_id)
            hooks.torchx_transform_app(request=request)


def tell_submitted(app_handle: str, scheduler: str, app: AppDef | None, memory: Memory) -> None:
    """Tells the plugins of a submitted job, once."""
    hooks = lifecycle_hooks()
    if hooks is not None and memory.is_news("submitted", app_handle):
        from torchx.plugins.lifecycle import AppSubmitted

        with apart():
            hooks.torchx_app_submitted(event=AppSubmitted(app_handle=app_handle, scheduler=scheduler, app=app))


def tell_finished(app_handle: str, scheduler: str, status: AppStatus, memory: Memory) -> None:
    """Tells the plugins of a job that has ended, once."""
    hooks = lifecycle_hooks()
    if hooks is not None and memory.is_news("finished", app_handle):
        from torchx.plugins.lifecycle import AppFinished

        with apart():
            hooks.torchx_app_finished(event=AppFinished(app_handle=app_handle, scheduler=scheduler, status=status))


def lifecycle_hooks() -> HookRelay | None:
    """The plugins that take part in a job's life; None where there are none, as in most installations."""
    from torchx.plugins.manager import get_plugin_manager

    manager = get_plugin_manager()
    return manager.hook if manager.has_lifecycle_hooks() else None
