"""Generic named resources: sizes that mean the same on every cloud.

Each is also a function of this module, dots written as underscores: ``gpu_small()`` makes ``gpu.small``. The values may
change between releases; register your own for production.
"""

from __future__ import annotations

from torchx.specs._resource import Resource
from torchx.specs._resource_table import identifier, make_factory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GiB = 1024

# name: CPU cores, GPUs, MB of memory
_TABLE = {
    "gpu.small": (8, 1, 32 * GiB),
    "gpu.medium": (16, 2, 64 * GiB),
    "gpu.large": (32, 4, 128 * GiB),
    "gpu.xlarge": (64, 8, 256 * GiB),
    "cpu.nano": (1, 0, 512),
    "cpu.micro": (1, 0, 1 * GiB),
    "cpu.small": (1, 0, 2 * GiB),
    "cpu.medium": (2, 0, 4 * GiB),
    "cpu.large": (2, 0, 8 * GiB),
    "cpu.xlarge": (8, 0, 32 * GiB),
}


def _make(name: str) -> Resource:
    cpu, gpu, memory = _TABLE[name]
    return Resource(cpu=cpu, gpu=gpu, memMB=memory)


NAMED_RESOURCES: Mapping[str, Callable[[], Resource]] = {name: make_factory(_make, name, __name__) for name in _TABLE}

_FUNCTIONS = {identifier(name): factory for name, factory in NAMED_RESOURCES.items()}


def __getattr__(name: str) -> Callable[[], Resource]:
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FUNCTIONS})
