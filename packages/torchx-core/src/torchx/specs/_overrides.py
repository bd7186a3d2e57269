"""Values of a role's attributes that are worked out when they are first read."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def resolve(overrides: dict[str, Any], name: str) -> Any:
    """The value that overrides an attribute; kept in ``overrides``, so that it is worked out once.

    Args:
        overrides: value, function without arguments, or awaitable, by attribute.
        name: the attribute; must be in ``overrides``.
    """
    value = overrides[name]
    if isinstance(value, Shared):
        value = _copied(value.get())
    elif hasattr(value, "__await__"):
        value = _wait_for(value)
    elif callable(value):
        value = value()
        if hasattr(value, "__await__"):
            value = _wait_for(value)
    overrides[name] = value
    return value


def share(overrides: dict[str, Any]) -> dict[str, Any]:
    """A deep copy of ``overrides`` for a copied role. An awaitable can be awaited once only, so both wait for one."""
    for name, value in overrides.items():
        if hasattr(value, "__await__"):
            overrides[name] = Shared(value)
    return {name: _copied(value) for name, value in overrides.items()}


def _copied(value: Any) -> Any:
    if isinstance(value, Shared) or callable(value):
        return value
    import copy

    return copy.deepcopy(value)


class Shared:
    """The result of an awaitable, for all copies of the role that it was given to."""

    def __init__(self, awaitable: Any) -> None:
        import threading

        self._lock = threading.Lock()
        self._awaitable = awaitable
        self._result: Any = None

    def get(self) -> Any:
        """Waits for the result, the first time."""
        with self._lock:
            if self._awaitable is not None:
                self._result, self._awaitable = _wait_for(self._awaitable), None
            return self._result


def _wait_for(awaitable: Any) -> Any:
    import asyncio

    async def result() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(result())
    # Inside a running loop, as in a notebook, a second one needs a thread of its own.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, result()).result()
