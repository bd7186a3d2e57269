"""Named resources registered by decorator: the whole one, its fractions and aliases, each tagged with what it is."""

from __future__ import annotations

from functools import partial

from torchx.plugins.errors import RegistrationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Protocol

    class ResourceLike(Protocol):
        """What is needed of a ``torchx.specs.Resource`` here, below the specs."""

        gpu: int
        memMB: int
        tags: dict[str, object]

    Fractionals = Callable[[ResourceLike], Mapping[str, float]]

WHOLE = 1.0
HALF = 0.5
QUARTER = 0.25
EIGHTH = 0.125
SIXTEENTH = 0.0625

_MB_PER_GB = 1024


class resource_tags:
    """Names of the tags of named resources, keys of ``Resource.tags``."""

    RESOURCE_NAME = "torchx/resource-name"
    """The name under which the resource is registered (not the alias under which it was asked for)."""

    FRACTION = "torchx/resource-fraction"
    """Which part of the whole it is, in (0, 1]; only those that were registered through ``fractionals`` have it."""


def powers_of_two_gpus(whole: ResourceLike) -> dict[str, float]:
    """The parts of a host with 1, 2, 4, ... of its GPUs, up to all of them; their names end in the number of GPUs.

    Args:
        whole: the whole host.

    Returns:
        Which part of the whole each is, by the suffix of its name: 8 GPUs give ``{"1": 0.125, ..., "8": 1.0}``.

    Raises:
        RegistrationError: the host has no GPU.
    """
    if whole.gpu < 1:
        raise RegistrationError(f"powers_of_two_gpus needs a resource with GPUs, this one has {whole.gpu}")
    counts = [1 << power for power in range(whole.gpu.bit_length())]
    return {str(count): count / whole.gpu for count in dict.fromkeys([*counts, whole.gpu])}


def halve_mem_down_to(memMB: int) -> Fractionals:
    """The parts of a host with all, half, a quarter, ... of its memory; their names end in the memory in GB.

    A part whose memory is no whole number of GB has a name that ends in MB, ``_512mb``.

    Args:
        memMB: the memory of the smallest part that is wanted, in MB, at least 1.

    Raises:
        RegistrationError: the limit is no positive number.
    """
    if memMB < 1:
        raise RegistrationError(f"halve_mem_down_to needs a positive number of MB, not {memMB}")

    def fractionals(whole: ResourceLike) -> dict[str, float]:
        parts: dict[str, float] = {}
        fraction = WHOLE
        while whole.memMB * fraction >= memMB:
            parts[_memory_suffix(int(whole.memMB * fraction))] = fraction
            fraction /= 2
        return parts

    return fractionals


def _memory_suffix(memMB: int) -> str:
    return f"{memMB}mb" if memMB % _MB_PER_GB else str(memMB // _MB_PER_GB)


def make_table(
    factory: Callable[..., Any], name: str, aliases: Iterable[str], fractionals: Fractionals
) -> dict[str, Callable[[], Any]]:
    """The named resources that one decorated function stands for, by name."""
    table: dict[str, Callable[[], Any]] = {}
    parts = fractionals(factory())
    for title in dict.fromkeys([name, *aliases]):
        table[title] = partial(make_resource, factory, name)
        for suffix, fraction in parts.items():
            table[f"{title}_{suffix}"] = partial(make_resource, factory, f"{name}_{suffix}", fraction)
    return table


def make_resource(factory: Callable[..., Any], name: str, fraction: float | None = None) -> Any:
    """The resource that a decorated function makes, tagged. The function's own object is not changed."""
    import copy

    made = factory() if fraction is None else factory(fractional=fraction)
    if not hasattr(made, "tags"):
        return made
    resource = copy.copy(made)
    resource.tags = {**made.tags, resource_tags.RESOURCE_NAME: name}
    if fraction is not None:
        resource.tags[resource_tags.FRACTION] = fraction
    return resource
