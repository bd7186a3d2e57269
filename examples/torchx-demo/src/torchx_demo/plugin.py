"""What this distribution adds. Every torchx command imports this, so it imports nothing but torchx.plugins."""

from torchx import plugins


@plugins.hookimpl
def torchx_schedulers():
    return [plugins.SchedulerPlugin(name="demo", factory="torchx_demo.scheduler:create_scheduler")]


@plugins.hookimpl
def torchx_named_resources():
    return [plugins.NamedResourcePlugin(name="demo.small", factory="torchx_demo.extras:small")]


@plugins.hookimpl
def torchx_components():
    return [plugins.ComponentsPlugin(name="demo.hello", module="torchx_demo.extras:hello")]


@plugins.hookimpl
def torchx_trackers():
    return [plugins.TrackerPlugin(name="demo", factory="torchx_demo.extras:create_tracker")]


@plugins.hookimpl
def torchx_cli_commands():
    return [plugins.CommandPlugin(name="demo", command="torchx_demo.extras:CmdDemo", summary="show the demo cluster")]
