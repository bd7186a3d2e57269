"""Resources by name: those that TorchX brings, those of plugins, and those of ``$TORCHX_CUSTOM_NAMED_RESOURCES``."""

from __future__ import annotations

from collections.abc import Mapping

from torchx.errors import TorchXError, UsageError, nearest
from torchx.specs._resource import TAG_NAME, Resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

ENV_CUSTOM_NAMED_RESOURCES = "TORCHX_CUSTOM_NAMED_RESOURCES"
"""Names modules, separated by commas or colons, that each have a mapping ``NAMED_RESOURCES`` of name to factory."""


class UnknownNamedResourceException(UsageError, KeyError):
    """No named resource of that name is registered."""


class InvalidNamedResourceException(TorchXError):
    """A registered resource cannot be made."""


class _NamedResourcesLibrary(Mapping[str, Resource]):
    """All named resources: ``named_resources["gpu.small"]`` makes one, iteration gives the names."""

    def __getitem__(self, name: str) -> Resource:
        return _make(name, self._factory(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in _custom() or name in _plugins())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*_custom(), *_plugins()}))

    def __len__(self) -> int:
        return len({*_custom(), *_plugins()})

    def _factory(self, name: str) -> Callable[[], Resource]:
        from torchx.plugins.errors import UnknownPluginError
        from torchx.plugins.manager import get_plugin_manager

        custom = _custom()
        if name in custom:
            return custom[name]
        try:
            factory: Any = get_plugin_manager().get("named_resources", name).load()
        except UnknownPluginError as e:
            raise UnknownNamedResourceException(
                f"unknown named resource `{name}`",
                hint=nearest(name, self) or "see `torchx.specs.named_resources` for the names",
            ) from e
        return factory  # type: ignore[no-any-return]  # checked when it has made something


def _plugins() -> Mapping[str, object]:
    from torchx.plugins.manager import get_plugin_manager

    return get_plugin_manager().named_resources()


def _custom() -> dict[str, Callable[[], Resource]]:
    import os

    table: dict[str, Callable[[], Resource]] = {}
    for name in os.environ.get(ENV_CUSTOM_NAMED_RESOURCES, "").replace(":", ",").split(","):
        if name.strip():
            table.update(_custom_table(name.strip()))
    return table


def _custom_table(module: str) -> Mapping[str, Callable[[], Resource]]:
    import importlib

    try:
        table = importlib.import_module(module).NAMED_RESOURCES
    except Exception as e:
        raise InvalidNamedResourceException(
            f"cannot load named resources from module `{module}`: {type(e).__name__}: {e}",
            hint=f"${ENV_CUSTOM_NAMED_RESOURCES} must name modules that have a mapping NAMED_RESOURCES",
        ) from e
    if not isinstance(table, Mapping):
        raise InvalidNamedResourceException(f"NAMED_RESOURCES of module `{module}` is no mapping of name to factory")
    return table


def _make(name: str, factory: Callable[[], Resource]) -> Resource:
    made: object = factory() if callable(factory) else factory
    if not isinstance(made, Resource):
        raise InvalidNamedResourceException(f"named resource `{name}` is a {type(made).__name__}, not a Resource")
    # A factory may hand out the same object each time, and roles may change what they are given.
    resource = Resource.copy(made)
    resource.tags.setdefault(TAG_NAME, name)
    return resource


named_resources = _NamedResourcesLibrary()


def get_named_resources(res: str) -> Resource:
    """The resource of that name.

    Args:
        res: a registered name, e.g. ``gpu.small`` or ``aws_p3.2xlarge``.

    Raises:
        UnknownNamedResourceException: there is none; also a ``KeyError``.
    """
    return named_resources[res]


def resource(
    cpu: int | None = None,
    gpu: int | None = None,
    memMB: int | None = None,
    h: str | None = None,
) -> Resource:
    """A resource from a name or from raw values.

    Args:
        cpu: number of logical CPU cores; 2 if None.
        gpu: number of GPUs; 0 if None.
        memMB: memory in MB; 1024 if None.
        h: name of a registered resource; if given, the raw values are not looked at.

    Raises:
        UnknownNamedResourceException: ``h`` is not registered; also a ``KeyError``.
    """
    if h:
        return get_named_resources(h)
    return Resource(
        cpu=2 if cpu is None else cpu,
        gpu=0 if gpu is None else gpu,
        memMB=1024 if memMB is None else memMB,
    )
