"""What the tables of named resources share."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from torchx.specs._resource import Resource


def identifier(name: str) -> str:
    """The name of a resource as that of a function: ``aws_p3.2xlarge`` becomes ``aws_p3_2xlarge``."""
    return name.replace(".", "_").replace("-", "_")


def make_factory(make: Callable[[str], Resource], name: str, module: str) -> Callable[[], Resource]:
    """A function of the module that makes one resource of its table."""

    def factory() -> Resource:
        return make(name)

    factory.__module__ = module
    factory.__name__ = factory.__qualname__ = identifier(name)
    return factory
