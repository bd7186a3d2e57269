"""What one replica needs from the machine it runs on."""

from __future__ import annotations

from torchx.util.light_dataclass import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object  # for typing.get_type_hints

TAG_NAME = "torchx/resource-name"
"""Tag that holds the name under which a resource was registered."""

TAG_FRACTION = "torchx/resource-fraction"
"""Tag that holds which part of a whole host the resource is: a float in (0, 1]."""


@dataclass
class Resource:
    """Hardware requirements of one replica.

    Prefer named resources (:py:func:`torchx.specs.resource` with ``h=``) over raw values.

    Args:
        cpu: number of logical CPU cores.
        gpu: number of GPUs.
        memMB: memory in MB (2**20 bytes).
        capabilities: properties that the host must have, read by the schedulers that know them (a node label,
            an instance type).
        devices: number of each special device, by device type, e.g. ``{"vpc.amazonaws.com/efa": 1}``.
        tags: facts about the resource that no scheduler needs, e.g. the name it is registered under. They have no part
            in comparisons: a named resource equals the same one written out.
    """

    cpu: int
    gpu: int
    memMB: int
    capabilities: dict[str, Any] = field(default_factory=dict)
    devices: dict[str, int] = field(default_factory=dict)
    tags: dict[str, object] = field(default_factory=dict, compare=False)

    def is_fractional(self) -> bool:
        """Whether this is one of the parts that are registered beside a whole host, that of all of it included."""
        return isinstance(self.tags.get(TAG_FRACTION), (int, float))

    def get_resource_name(self) -> str | None:
        """The name under which the resource is registered; None where it was made from raw values."""
        name = self.tags.get(TAG_NAME)
        return name if isinstance(name, str) else None

    @staticmethod
    def copy(original: Resource, **capabilities: Any) -> Resource:
        """A copy of a resource, with more capabilities.

        Args:
            original: what to copy; it stays as it is.
            capabilities: added to the copy's capabilities; equal names replace the original's.
        """
        return Resource(
            cpu=original.cpu,
            gpu=original.gpu,
            memMB=original.memMB,
            capabilities={**original.capabilities, **capabilities},
            devices=dict(original.devices),
            tags=dict(original.tags),
        )


NULL_RESOURCE = Resource(cpu=-1, gpu=-1, memMB=-1)
"""Stands for "no resource was given"; a role that still has it cannot be submitted."""


def _null_resource() -> Resource:
    return Resource(cpu=-1, gpu=-1, memMB=-1)
