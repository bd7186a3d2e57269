"""All hooks that a plugin may implement, in the module that its ``torchx.plugins`` entry point names.

.. code-block:: toml

    [project.entry-points."torchx.plugins"]
    my-dist = "my_dist.plugin"

The hooks without arguments describe what the plugin adds. They are called whenever a name has to be looked up, so the
module should import nothing heavier than ``torchx.plugins``. The hooks with an argument take part in every submission.
"""

from __future__ import annotations

from torchx.plugins._markers import hookspec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchx.plugins.descriptors import (
        CommandPlugin,
        ComponentsPlugin,
        EventHandlerPlugin,
        NamedResourcePlugin,
        SchedulerPlugin,
        TrackerPlugin,
        WorkspacePlugin,
    )
    from torchx.plugins.lifecycle import AppFinished, AppSubmitted, TransformRequest


@hookspec
def torchx_schedulers() -> Iterable[SchedulerPlugin]:  # type: ignore[empty-body]  # a specification
    """The backends that the plugin adds.

    .. code-block:: python

        from torchx.plugins import SchedulerPlugin, hookimpl

        @hookimpl
        def torchx_schedulers():
            return [SchedulerPlugin(name="acme", factory="acme_torchx.scheduler:create_scheduler")]
    """


@hookspec
def torchx_workspaces() -> Iterable[WorkspacePlugin]:  # type: ignore[empty-body]  # a specification
    """The image builders that the plugin adds.

    .. code-block:: python

        from torchx.plugins import WorkspacePlugin, hookimpl

        @hookimpl
        def torchx_workspaces():
            return [WorkspacePlugin(name="acme", builder="acme_torchx.workspace:AcmeWorkspaceMixin")]
    """


@hookspec
def torchx_trackers() -> Iterable[TrackerPlugin]:  # type: ignore[empty-body]  # a specification
    """The experiment trackers that the plugin adds.

    .. code-block:: python

        from torchx.plugins import TrackerPlugin, hookimpl

        @hookimpl
        def torchx_trackers():
            return [TrackerPlugin(name="acme", factory="acme_torchx.tracking:create")]
    """


@hookspec
def torchx_named_resources() -> Iterable[NamedResourcePlugin]:  # type: ignore[empty-body]  # a specification
    """The named resources that the plugin adds, one by one or as tables.

    .. code-block:: python

        from torchx.plugins import NamedResourcePlugin, hookimpl

        @hookimpl
        def torchx_named_resources():
            return [
                NamedResourcePlugin(name="acme.large", factory="acme_torchx.resources:large"),
                NamedResourcePlugin(name="acme", table="acme_torchx.resources:NAMED_RESOURCES"),
            ]
    """


@hookspec
def torchx_components() -> Iterable[ComponentsPlugin]:  # type: ignore[empty-body]  # a specification
    """The components that the plugin adds, by module.

    .. code-block:: python

        from torchx.plugins import ComponentsPlugin, hookimpl

        @hookimpl
        def torchx_components():
            return [ComponentsPlugin(name="acme", module="acme_torchx.components")]
    """


@hookspec
def torchx_cli_commands() -> Iterable[CommandPlugin]:  # type: ignore[empty-body]  # a specification
    """The sub-commands of ``torchx`` that the plugin adds.

    .. code-block:: python

        from torchx.plugins import CommandPlugin, hookimpl

        @hookimpl
        def torchx_cli_commands():
            return [CommandPlugin(name="quota", command="acme_torchx.cli:CmdQuota", summary="show my quota")]
    """


@hookspec
def torchx_event_handlers() -> Iterable[EventHandlerPlugin]:  # type: ignore[empty-body]  # a specification
    """The destinations for the runner's event records that the plugin adds.

    .. code-block:: python

        from torchx.plugins import EventHandlerPlugin, hookimpl

        @hookimpl
        def torchx_event_handlers():
            return [EventHandlerPlugin(name="acme", handler="acme_torchx.events:handler")]
    """


@hookspec
def torchx_transform_app(request: TransformRequest) -> None:
    """Looks at, and may change, a job before it is turned into a backend's request, in every dry run and submission.

    ``request.app`` is a copy of the caller's job. To refuse a job, raise: the error stops the submission, shown as is.

    .. code-block:: python

        from torchx.plugins import hookimpl

        @hookimpl
        def torchx_transform_app(request):
            for role in request.app.roles:
                role.env.setdefault("HTTPS_PROXY", "http://proxy.example.com:3128")
    """


@hookspec
def torchx_app_submitted(event: AppSubmitted) -> None:
    """Is told of a job that the backend has accepted. An error is logged and never reaches the caller.

    .. code-block:: python

        from torchx.plugins import hookimpl

        @hookimpl
        def torchx_app_submitted(event):
            print("submitted", event.app_handle)
    """


@hookspec
def torchx_app_finished(event: AppFinished) -> None:
    """Is told of a job that a waiting runner has seen end. An error is logged and never reaches the caller.

    .. code-block:: python

        from torchx.plugins import hookimpl

        @hookimpl
        def torchx_app_finished(event):
            print(event.app_handle, "ended", event.status.state.name)
    """
