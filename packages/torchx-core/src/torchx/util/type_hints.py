"""What type annotations say, be they written with built-in types alone or with :py:mod:`typing`.

Importing ``typing`` costs as much as a start of the interpreter. A class, ``list[int]`` and ``int | None`` are
understood without it; for anything else it is imported, which is free, because such an annotation was made with it.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PRIMITIVES = (str, int, float, bool)


def get_origin(annotation: Any) -> Any:
    """As :py:func:`typing.get_origin`."""
    if isinstance(annotation, types.UnionType):
        return types.UnionType
    if type(annotation) is types.GenericAlias:
        return annotation.__origin__
    if _is_class(annotation):
        return None
    import typing

    return typing.get_origin(annotation)


def get_args(annotation: Any) -> tuple[Any, ...]:
    """As :py:func:`typing.get_args`."""
    if isinstance(annotation, types.UnionType) or type(annotation) is types.GenericAlias:
        return annotation.__args__
    if _is_class(annotation):
        return ()
    import typing

    return typing.get_args(annotation)


def is_any(annotation: Any) -> bool:
    """Whether every value is of the type."""
    return annotation is object or _is_of_typing(annotation, "Any")


def is_literal(annotation: Any) -> bool:
    """Whether the type is ``Literal[...]``."""
    return _is_of_typing(get_origin(annotation), "Literal")


def is_union(annotation: Any) -> bool:
    """Whether the type is ``X | Y``, ``Union[X, Y]`` or ``Optional[X]``."""
    origin = get_origin(annotation)
    return origin is types.UnionType or _is_of_typing(origin, "Union")


def is_optional(annotation: Any) -> bool:
    """Whether None is among the values of the type."""
    bare = strip_annotated(annotation)
    return bare is None or bare is types.NoneType or (is_union(bare) and any(map(is_optional, get_args(bare))))


def is_bool(param_type: Any) -> bool:
    """Whether the type is ``bool``, or an optional ``bool``."""
    return decode_optional(strip_annotated(param_type)) is bool


def is_primitive(param_type: Any) -> bool:
    """Whether the type is one of ``str``, ``int``, ``float`` and ``bool``."""
    return param_type in PRIMITIVES


def strip_annotated(annotation: Any) -> Any:
    """``X`` of ``Annotated[X, ...]``; anything else as it is."""
    return get_args(annotation)[0] if _is_of_typing(get_origin(annotation), "Annotated") else annotation


def decode_optional(param_type: Any) -> Any:
    """``X`` of ``Optional[X]`` or ``X | None``; anything else as it is."""
    if not is_union(param_type):
        return param_type
    arms = [arm for arm in get_args(param_type) if arm is not types.NoneType]
    return arms[0] if len(arms) == 1 and len(arms) < len(get_args(param_type)) else param_type


def container(annotation: Any) -> type[list[Any]] | type[dict[Any, Any]] | None:
    """``dict`` for a mapping, ``list`` for another sequence, None for any other type; optional ones alike."""
    bare = decode_optional(strip_annotated(annotation))
    origin = get_origin(bare) or bare
    if not isinstance(origin, type) or issubclass(origin, (str, bytes)):
        return None
    if issubclass(origin, Mapping):
        return dict
    return list if issubclass(origin, Sequence) else None


def type_name(annotation: Any) -> str:
    """The type as users read it: ``int``, ``list[str]``, ``str | None``."""
    if annotation is types.NoneType:
        return "None"
    if is_union(annotation):
        return " | ".join(map(type_name, get_args(annotation)))
    if _is_class(annotation):
        return str(annotation.__name__)
    return str(annotation).replace("typing.", "")


def _is_class(annotation: Any) -> bool:
    # isinstance() takes `list[int]` for a class up to Python 3.10.
    return issubclass(type(annotation), type)


def _is_of_typing(form: Any, name: str) -> bool:
    if getattr(form, "__module__", None) != "typing":
        return False
    import typing

    return form is getattr(typing, name)
