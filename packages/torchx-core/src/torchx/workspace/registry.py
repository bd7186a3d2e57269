"""The workspace builders that plugins offer by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchx.workspace.api import WorkspaceMixin


def workspace_builder(name: str) -> WorkspaceMixin[Any]:
    """A new builder of a registered workspace plugin.

    Args:
        name: the plugin's name, such as ``dir``, ``docker`` or ``oci``.

    Raises:
        TorchXError: no plugin has the name, or it can't be loaded.
    """
    from typing import cast

    from torchx.plugins.manager import get_plugin_manager

    return cast("WorkspaceMixin[Any]", cast("Any", get_plugin_manager().get("workspaces", name).load())())


def registered_builders() -> dict[str, WorkspaceMixin[Any]]:
    """One builder of each registered workspace plugin that can be loaded; what can't be is in ``torchx plugins``."""
    from torchx.errors import TorchXError
    from torchx.plugins.manager import get_plugin_manager

    builders: dict[str, WorkspaceMixin[Any]] = {}
    for name in get_plugin_manager().workspaces():
        try:
            builders[name] = workspace_builder(name)
        except TorchXError:
            continue
    return builders
