"""Frozen keyword-only value objects, for what is made whenever ``torchx`` starts.

The same as ``dataclass(frozen=True, kw_only=True)`` to a reader and to a type checker. Importing ``dataclasses`` and
making a handful of them costs more than all else that ``torchx --help`` does.
"""

from __future__ import annotations

TYPE_CHECKING = False  # Not from typing: importing it costs a fifth of an interpreter's start.
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda cls: cls


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """The base: a subclass lists its fields as annotations, with defaults where it has any (none of them mutable)."""

    _fields: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        own = [name for name, text in cls.__annotations__.items() if not str(text).startswith("ClassVar")]
        cls._fields = tuple(dict.fromkeys([*cls._fields, *own]))

    if not TYPE_CHECKING:

        def __init__(self, **values):
            for name in self._fields:
                if name in values:
                    object.__setattr__(self, name, values.pop(name))
                elif not hasattr(type(self), name):
                    raise TypeError(f"{type(self).__name__} needs a value for `{name}`")
            if values:
                raise TypeError(f"{type(self).__name__} has no field `{min(values)}`, but {', '.join(self._fields)}")
            self.__post_init__()

    def __post_init__(self) -> None:
        """Checks the values; for subclasses."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: cannot set `{name}`")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: cannot delete `{name}`")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._fields)})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash((type(self), _values(self)))

    def replace(self, **changes: Any) -> Self:
        """A copy with other values for some fields."""
        return type(self)(**{**dict(zip(self._fields, _values(self), strict=True)), **changes})


def _values(record: Any) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in record._fields)
