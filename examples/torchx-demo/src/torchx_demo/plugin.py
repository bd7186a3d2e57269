"""What this distribution adds. Every torchx command imports this, so it imports nothing but torchx.plugins."""

from torchx.plugins import (
    CommandPlugin,
    ComponentsPlugin,
    NamedResourcePlugin,
    SchedulerPlugin,
    TrackerPlugin,
    hookimpl,
)


@hookimpl
def torchx_schedulers():
    return [SchedulerPlugin(name="demo", factory="torchx_demo.scheduler:create_scheduler")]


@hookimpl
def torchx_named_resources():
    return [NamedResourcePlugin(name="demo.small", factory="torchx_demo.extras:small")]


@hookimpl
def torchx_components():
    return [ComponentsPlugin(name="demo.hello", module="torchx_demo.extras:hello")]


@hookimpl
def torchx_trackers():
    return [TrackerPlugin(name="demo", factory="torchx_demo.extras:create_tracker")]


@hookimpl
def torchx_cli_commands():
    return [CommandPlugin(name="demo", command="torchx_demo.extras:CmdDemo", summary="show the demo cluster")]


@hookimpl
def torchx_transform_app(request):
    if request.scheduler == "demo" and sum(role.num_replicas for role in request.app.roles) > 16:
        raise ValueError("the demo cluster runs at most 16 replicas of a job")
