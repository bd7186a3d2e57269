"""Loads entry points of any group. TorchX's own plugins go through ``torchx.plugins``, which also guards them."""

from __future__ import annotations

from torchx.errors import UsageError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint
    from typing import TypeVar

    T = TypeVar("T")

_MISSING = object()


class UnknownEntryPointError(UsageError, KeyError):
    """No installed distribution has an entry point of that group and name."""


def load(group: str, name: str, default: T | object = _MISSING) -> T | object:
    """Loads one entry point.

    Args:
        group: the group, ``"torchx.schedulers"``.
        name: the name in the group.
        default: returned if there is no such entry point.

    Raises:
        UnknownEntryPointError: there is no such entry point, and no default; also a ``KeyError``.
        Exception: whatever the module raises while it is imported.
    """
    points = _find(group)
    if name in points:
        found: object = points[name].load()
        return found
    if default is _MISSING:
        raise UnknownEntryPointError(f"there is no entry point `{name}` in group `{group}`", hint=nearest(name, points))
    return default


def load_group(group: str) -> dict[str, Callable[..., object]]:
    """All entry points of a group, by name, none of them imported yet.

    Each value loads its entry point when it is called, and calls what it loads with the same arguments; a module, which
    cannot be called, is returned.
    """
    return {name: _Deferred(point) for name, point in _find(group).items()}


class _Deferred:
    """Loads an entry point when it is called."""

    def __init__(self, point: EntryPoint) -> None:
        self._point = point

    def __call__(self, *args: object, **kwargs: object) -> object:
        found: object = self._point.load()
        return found(*args, **kwargs) if callable(found) else found

    def __repr__(self) -> str:
        return f"<entry point {self._point.group}:{self._point.name} = {self._point.value}>"


def _find(group: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    # The first on sys.path wins, as in an import.
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, point)
    return found
