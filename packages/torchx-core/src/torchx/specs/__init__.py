"""Describes jobs: an :py:class:`AppDef` of :py:class:`Role`\\ s, each with the :py:class:`Resource` its replicas need.

>>> import torchx.specs as specs
>>> app = specs.AppDef("hello", roles=[specs.Role("greeter", image="", entrypoint="echo", args=["hello"])])
>>> app.get_role("greeter").num_replicas
1
"""

from __future__ import annotations

from torchx.specs.api import *  # noqa: F403  (api.__all__ is the list)
from torchx.specs.api import __all__ as _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.specs._named import get_named_resources, named_resources, resource
    from torchx.specs.builders import materialize_appdef

# Loaded on first use: who only describes a job does not pay for them.
_LAZY = {
    "get_named_resources": "torchx.specs._named",
    "named_resources": "torchx.specs._named",
    "resource": "torchx.specs._named",
    "materialize_appdef": "torchx.specs.builders",
}
_LAZY_MODULES = (
    "builders",
    "file_linter",
    "finder",
    "named_resources_aws",
    "named_resources_generic",
    "overlays",
)

__all__ = [
    *_core,
    "get_named_resources",
    "materialize_appdef",
    "named_resources",
    "resource",
]


if not TYPE_CHECKING:
    # Hidden from type checkers, which would take any name for one of ours.
    def __getattr__(name):
        from sys import modules

        module = f"torchx.specs.{name}" if name in _LAZY_MODULES else _LAZY.get(name)
        if module is None:
            raise AttributeError(f"module 'torchx.specs' has no attribute {name!r}")
        __import__(module)
        value = globals()[name] = modules[module] if name in _LAZY_MODULES else getattr(modules[module], name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_LAZY_MODULES})
