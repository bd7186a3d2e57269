"""The ``[plugins]`` section of ``.torchxconfig``: which distribution serves a name that several provide.

.. code-block:: ini

    [plugins]
    slurm = acme-torchx
    named_resources.gpu.small = acme-torchx

A key is the plugin's name, or its kind and name where one name is contested in two kinds.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.plugins.descriptors import PluginType

SECTION = "plugins"


def chosen_provider(kind: PluginType, name: str) -> str | None:
    """The distribution that the configuration names for a plugin, None if it names none.

    Raises:
        ConfigError: a configuration file is malformed.
    """
    from torchx.util.configfile import find_config_files, read_config

    for path in find_config_files():
        section = read_config(path).sections.get(SECTION, {})
        for key in (f"{kind.value}.{name}", name):
            value = section.get(key)
            if value and isinstance(value, str):
                return value.strip()
    return None
