"""Typed keys for :py:attr:`Resource.capabilities <torchx.specs.Resource.capabilities>`."""

from __future__ import annotations

from torchx.errors import TorchXError
from torchx.util.light_dataclass import dataclass
from torchx.util.light_generic import Generic, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from torchx.specs._resource import Resource

V = TypeVar("V")


class CapabilityTypeError(TorchXError, TypeError):
    """The value of a capability is not of the type that its key declares."""


@dataclass(frozen=True)
class CapabilityKey(Generic[V]):
    """Names one capability and the type of its value, so that writer and reader agree on both.

    Args:
        namespace: who defines the capability, e.g. ``node.kubernetes.io``; empty for none.
        name: its name inside the namespace.
        type: the type of its value.

    >>> from torchx.specs import Resource
    >>> zone = CapabilityKey("example.com", "zone", str)
    >>> res = Resource(cpu=1, gpu=0, memMB=512)
    >>> zone.set(res, "a")
    >>> res.capabilities, zone.get(res)
    ({'example.com/zone': 'a'}, 'a')
    """

    namespace: str
    name: str
    type: type[V]

    @property
    def key(self) -> str:
        """The key in ``Resource.capabilities``: ``namespace/name``."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def set(self, resource: Resource, value: V) -> None:
        """Sets the capability on a resource.

        Raises:
            CapabilityTypeError: the value is not of the declared type.
        """
        resource.capabilities[self.key] = self._checked(value)

    def get(self, resource: Resource, default: Optional[V] = None) -> Optional[V]:
        """The capability's value on a resource; ``default`` where it is not set.

        Raises:
            CapabilityTypeError: what is set there is not of the declared type.
        """
        if self.key not in resource.capabilities:
            return default
        return self._checked(resource.capabilities[self.key])

    def _checked(self, value: V) -> V:
        # `list[str]` and the like are no classes; their origin is.
        if not isinstance(value, getattr(self.type, "__origin__", self.type)):
            expected = getattr(self.type, "__name__", self.type)
            raise CapabilityTypeError(f"capability `{self.key}` is a {type(value).__name__}, not a {expected}")
        return value
