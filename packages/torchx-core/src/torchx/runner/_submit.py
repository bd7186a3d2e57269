"""From a job's description to a submitted job: component, request, submission, images."""

from __future__ import annotations

import copy

from torchx.errors import TorchXError, UsageError, attach_origin
from torchx.runner._checks import check_app, check_cfg, check_component, check_workspace
from torchx.runner._options import resolve
from torchx.runner._record_text import argument_secrets, as_json, images_of, secrets_of
from torchx.runner._stamp import stamp_environment, stamp_metadata, transform
from torchx.runner.events.recorder import hide, note
from torchx.specs.api import AppDef, AppDryRunInfo, Role, Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torchx.runner._options import Cfg
    from torchx.runner._schedulers import SchedulerPool


def make_app(
    component: str,
    component_args: list[str] | dict[str, Any],
    defaults: Mapping[str, dict[str, str]],
) -> AppDef:
    """Calls a component.

    Args:
        component: its name.
        component_args: as on the command line, or as a dict of keyword arguments.
        defaults: component name to default values of its arguments.

    Raises:
        ComponentNotFoundException: there is no such component.
        ComponentValidationException: it is not a valid one.
        UsageError: an argument is wrong.
    """
    from torchx.runner.config import tell_unknown_names
    from torchx.specs.builders import materialize_appdef
    from torchx.specs.finder import get_component

    check_component(component, component_args)
    hide(lambda: argument_secrets(component_args))
    tell_unknown_names()
    preset = defaults.get(component)
    if preset:
        hide(lambda: argument_secrets(preset))
    words, by_name = ([], component_args) if isinstance(component_args, dict) else ([*component_args], None)
    fn = get_component(component).fn
    try:
        return materialize_appdef(fn, words, preset, config=by_name and dict(by_name))
    except UsageError as error:
        if not preset:
            raise
        from torchx.runner._config_errors import explain

        raise explain(error, component, preset) from error.__cause__
    except TorchXError:
        raise
    except SystemExit as error:
        # With a message it is a script's way to fail; with nothing, or 0, it is the end of its help.
        if not isinstance(error.code, int) or error.code == 0:
            raise
        failure = TorchXError(f"component `{component}` called sys.exit({error.code!r}) instead of returning an AppDef")
        failure.exit_code = error.code
        raise failure from error
    except Exception as error:  # of the component's own code: it stays what it is, and tells where it comes from
        attach_origin(error, f"component `{component}`", fn)
        raise


def make_request(
    schedulers: SchedulerPool,
    scheduler: str,
    session: str,
    app: AppDef,
    cfg: Cfg,
    workspace: Workspace | str | None,
    parent_run_id: str | None,
) -> AppDryRunInfo[Any]:
    """What a scheduler would be sent for a job, the workspace's image included.

    Args:
        schedulers: the runner's schedulers.
        scheduler: the name of the one that is asked.
        session: the name of the runner's session.
        app: the job; it is not changed.
        cfg, workspace, parent_run_id: as for ``Runner.run``.
    """
    from torchx.runner.config import configured_trackers
    from torchx.schedulers.api import build_workspaces, call_validate

    note(scheduler=scheduler)
    check_app(app)
    check_cfg(cfg)
    check_workspace(workspace)
    hide(lambda: secrets_of(app, cfg))
    note(app_image=images_of(app), app_metadata=dict(app.metadata))
    note(workspace=None if workspace is None else str(workspace))
    sched = schedulers.get(scheduler)
    resolved = resolve(sched, scheduler, cfg)
    app = copy.deepcopy(app)
    stamp_environment(app, session, scheduler, parent_run_id, configured_trackers())
    stamp_metadata(app, scheduler)
    transform(app, scheduler, resolved, parent_run_id)
    sched._pre_build_validate(app, scheduler, resolved)
    build_workspaces(sched, app, resolved, workspace)
    call_validate(sched, app, resolved)
    info = sched.submit_dryrun(app, resolved)
    info._app = app
    info._scheduler = scheduler
    return info


def note_request(dryrun_info: AppDryRunInfo[Any]) -> str:
    """Tells the running call's record what is submitted; returns the scheduler's name.

    Raises:
        UsageError: this is not what a dry run returns.
    """
    if not isinstance(dryrun_info, AppDryRunInfo) or dryrun_info._scheduler is None:
        raise UsageError("the dry run names no scheduler", hint="pass what Runner.dryrun() returned")
    app, cfg = dryrun_info._app, dryrun_info._cfg
    note(scheduler=dryrun_info._scheduler, app_image=images_of(app), app_metadata=None if app is None else app.metadata)
    note(runcfg=lambda: as_json(cfg))
    hide(lambda: secrets_of(app, cfg))
    return dryrun_info._scheduler


def build_images(
    schedulers: SchedulerPool, scheduler: str, app_or_role: AppDef | Role, cfg: Cfg
) -> dict[tuple[str, Workspace], str]:
    """Builds and pushes the images of the roles that have workspaces.

    Returns:
        (base image, workspace) to the built image.
    """
    from torchx.schedulers.api import workspace_of

    app = AppDef(app_or_role.name, [app_or_role]) if isinstance(app_or_role, Role) else app_or_role
    note(scheduler=scheduler)
    check_app(app)
    check_cfg(cfg)
    hide(lambda: secrets_of(app, cfg))
    note(app_image=images_of(app))
    sched = schedulers.get(scheduler)
    builder = workspace_of(sched)
    resolved = resolve(sched, scheduler, cfg)
    if builder is None:
        return {}
    built = copy.deepcopy(app)
    builder.build_workspaces(built.roles, resolved)
    builder.push_images(builder.dryrun_push_images(built, resolved))
    pairs = zip(app.roles, built.roles, strict=True)
    return {(old.image, old.workspace): new.image for old, new in pairs if old.workspace}
