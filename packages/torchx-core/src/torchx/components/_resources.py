"""What a replica needs, as components take it."""

from __future__ import annotations

from torchx.components.structured_arg import StructuredArgumentError
from torchx.specs import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.specs.api import Resource


def replica_resource(*, cpu: int, gpu: int, memMB: int, h: str | None) -> Resource:
    """The resource of a replica: see :py:func:`torchx.specs.resource`.

    Raises:
        StructuredArgumentError: an amount is negative.
    """
    for name, value in (("cpu", cpu), ("gpu", gpu), ("memMB", memMB)):
        if value < 0:
            raise StructuredArgumentError(f"--{name} is {value}", hint="an amount is 0 or more")
    return resource(cpu=cpu, gpu=gpu, memMB=memMB, h=h)
