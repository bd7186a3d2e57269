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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.plugins._entry import PluginEntry
    from torchx.plugins._register import PluginRegistry, register, registry
    from torchx.plugins._resources import (
        EIGHTH,
        HALF,
        QUARTER,
        SIXTEENTH,
        WHOLE,
        halve_mem_down_to,
        powers_of_two_gpus,
        resource_tags,
    )
    from torchx.plugins.errors import (
        DuplicatePluginError,
        PluginApiError,
        PluginLoadError,
        RegistrationError,
        UnknownPluginError,
    )
    from torchx.plugins.lifecycle import AppFinished, AppSubmitted, TransformRequest
    from torchx.plugins.listing import PluginDistribution
    from torchx.plugins.manager import PluginManager, get_plugin_manager, reset_plugin_manager

__all__ = [
    "API_VERSION",
    "AppFinished",
    "AppSubmitted",
    "CommandPlugin",
    "ComponentsPlugin",
    "Descriptor",
    "DuplicatePluginError",
    "EIGHTH",
    "EventHandlerPlugin",
    "HALF",
    "NamedResourcePlugin",
    "PluginApiError",
    "PluginDistribution",
    "PluginEntry",
    "PluginLoadError",
    "PluginManager",
    "PluginRegistry",
    "PluginType",
    "QUARTER",
    "RegistrationError",
    "SIXTEENTH",
    "SchedulerPlugin",
    "TrackerPlugin",
    "TransformRequest",
    "UnknownPluginError",
    "WHOLE",
    "WorkspacePlugin",
    "get_plugin_manager",
    "halve_mem_down_to",
    "hookimpl",
    "powers_of_two_gpus",
    "register",
    "registry",
    "reset_plugin_manager",
    "resource_tags",
]

# What a plugin module does not need, and would pay for whenever `torchx` starts.
_LATE = {
    "_entry": ("PluginEntry",),
    "_register": (
        "PluginRegistry",
        "register",
        "registry",
    ),
    "_resources": (
        "EIGHTH",
        "HALF",
        "QUARTER",
        "SIXTEENTH",
        "WHOLE",
        "halve_mem_down_to",
        "powers_of_two_gpus",
        "resource_tags",
    ),
    "errors": (
        "DuplicatePluginError",
        "PluginApiError",
        "PluginLoadError",
        "RegistrationError",
        "UnknownPluginError",
    ),
    "lifecycle": (
        "AppFinished",
        "AppSubmitted",
        "TransformRequest",
    ),
    "listing": ("PluginDistribution",),
    "manager": (
        "PluginManager",
        "get_plugin_manager",
        "reset_plugin_manager",
    ),
}


def __getattr__(name: str) -> object:
    for module, names in _LATE.items():
        if name in names:
            from importlib import import_module

            found: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
