"""How anything is added to TorchX: descriptors and hooks for distributions, decorators for modules, and the manager."""

from __future__ import annotations

from torchx.plugins._markers import hookimpl
from torchx.plugins.descriptors import (
    API_VERSION,
    CommandPlugin,
    ComponentsPlugin,
    Descriptor,
    EventHandlerPlugin,
    NamedResourcePlugin,
    PluginType,
    SchedulerPlugin,
    TrackerPlugin,
    WorkspacePlugin,
)
from torchx.plugins.errors import (
    DuplicatePluginError,
    PluginApiError,
    PluginLoadError,
    RegistrationError,
    UnknownPluginError,
)
from torchx.plugins.manager import PluginManager, get_plugin_manager, reset_plugin_manager

__all__ = [
    "API_VERSION",
    "CommandPlugin",
    "ComponentsPlugin",
    "Descriptor",
    "DuplicatePluginError",
    "EventHandlerPlugin",
    "NamedResourcePlugin",
    "PluginApiError",
    "PluginLoadError",
    "PluginManager",
    "PluginType",
    "RegistrationError",
    "SchedulerPlugin",
    "TrackerPlugin",
    "UnknownPluginError",
    "WorkspacePlugin",
    "get_plugin_manager",
    "hookimpl",
    "reset_plugin_manager",
]
