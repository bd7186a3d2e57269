"""The plugin of ``torchx-core`` itself: all that is built in, described through the same hooks as anybody's."""

from __future__ import annotations

from torchx.plugins._markers import hookimpl
from torchx.plugins.descriptors import (
    CommandPlugin,
    ComponentsPlugin,
    NamedResourcePlugin,
    SchedulerPlugin,
    TrackerPlugin,
    WorkspacePlugin,
)

_COMMANDS = {
    "run": "submit a job, and wait for a local one",
    "status": "show the state of a job and of its replicas",
    "describe": "show a job as it was submitted",
    "log": "print the log lines of a job's replicas",
    "list": "list the jobs of a scheduler",
    "cancel": "end a job",
    "delete": "remove a job from its scheduler",
    "runopts": "show the options of the schedulers",
    "builtins": "list the components that can be run by name",
    "plugins": "list the installed plugins, and what is wrong with any",
    "configure": "write a .torchxconfig file with the options of the schedulers",
    "tracker": "query the runs, metadata and artifacts of the experiment trackers",
    "doctor": "check that the installed plugins work and that their backends can be reached",
    "completion": "print the completion script for a shell",
}


@hookimpl
def torchx_schedulers() -> list[SchedulerPlugin]:
    return [
        SchedulerPlugin(
            name="local_cwd",
            factory="torchx.schedulers.local_scheduler:create_scheduler",
            summary="processes on this machine, started in the current folder",
        )
    ]


@hookimpl
def torchx_workspaces() -> list[WorkspacePlugin]:
    return [
        WorkspacePlugin(
            name="dir",
            builder="torchx.workspace.dir_workspace:DirWorkspaceMixin",
            summary="a copy of the folder on a shared file system",
        )
    ]


@hookimpl
def torchx_trackers() -> list[TrackerPlugin]:
    return [
        TrackerPlugin(
            name="fsspec",
            factory="torchx.tracker.backend.fsspec:create",
            summary="files on any storage that fsspec reaches",
        ),
        TrackerPlugin(
            name="mlflow",
            factory="torchx.tracker.mlflow:create_tracker",
            summary="an MLflow store (pip install 'torchx-core[mlflow]')",
        ),
    ]


@hookimpl
def torchx_named_resources() -> list[NamedResourcePlugin]:
    return [
        NamedResourcePlugin(
            name="generic",
            table="torchx.specs.named_resources_generic:NAMED_RESOURCES",
            summary="t-shirt sizes for any cloud",
        ),
        NamedResourcePlugin(
            name="aws", table="torchx.specs.named_resources_aws:NAMED_RESOURCES", summary="instance types of AWS"
        ),
    ]


@hookimpl
def torchx_components() -> list[ComponentsPlugin]:
    return [
        ComponentsPlugin(name="dist", module="torchx.components.dist", summary="distributed training"),
        ComponentsPlugin(name="metrics", module="torchx.components.metrics", summary="viewers of metrics"),
        ComponentsPlugin(name="serve", module="torchx.components.serve", summary="model serving"),
        ComponentsPlugin(name="utils", module="torchx.components.utils", summary="small jobs of everyday use"),
    ]


@hookimpl
def torchx_cli_commands() -> list[CommandPlugin]:
    return [
        CommandPlugin(name=name, command=f"torchx.cli.cmd_{name}:Cmd{name.capitalize()}", summary=summary)
        for name, summary in _COMMANDS.items()
    ]
