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
        ConfigFileError: a configuration file is malformed.
    """
    from torchx.util.inifile import find_config_files, read_config

    for path in find_config_files():
        parser = read_config(path)
        for key in (f"{kind.value}.{name}", name):
            value = parser.get(SECTION, key, fallback=None)
            if value:
                return value.strip()
    return None
