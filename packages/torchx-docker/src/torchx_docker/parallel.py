"""Requests to an engine, a few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    T = TypeVar("T")

AT_A_TIME = 8
"""Requests that are under way at once."""


def for_each(do: Callable[[T], object], items: Sequence[T]) -> None:
    """Does something for each, a few at a time: the engine takes a quarter of a second to start a container.

    Raises:
        Exception: the first that was raised, when all are done.
    """
    if len(items) < 2:
        for item in items:
            do(item)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(AT_A_TIME, len(items)), thread_name_prefix="torchx-docker") as pool:
        for _ in pool.map(do, items):
            pass
