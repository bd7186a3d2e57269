"""Loads what a plugin describes, and checks that it is what its kind needs."""

from __future__ import annotations

from torchx.plugins.descriptors import ComponentsPlugin, PluginType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from torchx.plugins._entry import PluginEntry


def check_target(entry: PluginEntry) -> None:
    """Checks one plugin.

    Args:
        entry: the plugin, as the manager lists it.

    Raises:
        PluginLoadError: it can't be loaded.
        AssertionError: it is not what its kind needs.
    """
    checks = {
        PluginType.SCHEDULER: _check_scheduler,
        PluginType.WORKSPACE: _check_workspace,
        PluginType.TRACKER: _check_callable,
        PluginType.NAMED_RESOURCE: _check_named_resource,
        PluginType.COMPONENT: _check_components,
        PluginType.COMMAND: _check_command,
        PluginType.EVENT_HANDLER: _check_event_handler,
    }
    checks[entry.kind](entry, entry.load())


def _check_callable(entry: PluginEntry, loaded: Any) -> None:
    assert callable(loaded), f"{entry} is not a function"


def _check_scheduler(entry: PluginEntry, loaded: Any) -> None:
    from torchx.schedulers.api import Scheduler
    from torchx.specs.api import runopts

    _check_callable(entry, loaded)
    # The runner passes the session's name by keyword, and whatever else its user gives to all schedulers.
    scheduler = loaded(session_name="conformance", a_parameter_of_another_scheduler="x")
    try:
        assert isinstance(scheduler, Scheduler), f"{entry} makes {scheduler!r}, which is no Scheduler"
        assert scheduler.session_name == "conformance"
        assert scheduler.backend == entry.name, "app handles begin with another name than users ask for"
        assert isinstance(scheduler.run_opts(), runopts)
    finally:
        scheduler.close()


def _check_workspace(entry: PluginEntry, loaded: Any) -> None:
    from torchx.workspace.api import WorkspaceMixin

    assert isinstance(loaded, type), f"{entry} is no class"
    assert issubclass(loaded, WorkspaceMixin), f"{entry} is no WorkspaceMixin"


def _check_named_resource(entry: PluginEntry, loaded: Any) -> None:
    from torchx.specs.api import Resource

    resource = loaded()
    assert isinstance(resource, Resource), f"{entry} gives {resource!r}, which is no Resource"
    assert resource is not loaded(), f"{entry} gives one object to all, who may change it"
    assert resource.memMB > 0


def _check_components(entry: PluginEntry, loaded: Any) -> None:
    from torchx.specs.finder import ModuleComponentsFinder, get_component

    assert isinstance(entry.descriptor, ComponentsPlugin)
    # Finding a component checks its signature: types, return type, docstring.
    if entry.descriptor.is_function:
        assert get_component(entry.name).name == entry.name
        return
    found = ModuleComponentsFinder(loaded, entry.descriptor.prefix).find(None)
    assert found, f"{entry} has no component"
    wrong = {component.name: component.validation_errors for component in found if component.validation_errors}
    assert wrong == {}


def _check_command(entry: PluginEntry, loaded: Any) -> None:
    import argparse

    from torchx.cli.cmd_base import SubCommand

    command = loaded()
    assert isinstance(command, SubCommand), f"{entry} is no SubCommand"
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert parser.format_help()


def _check_event_handler(entry: PluginEntry, loaded: Any) -> None:
    import logging

    handler = loaded() if callable(loaded) else loaded
    assert isinstance(handler, logging.Handler), f"{entry} gives no logging.Handler"
