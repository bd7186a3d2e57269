"""Values of a component's or program's parameters from the strings that users type.

The grammar of the strings, by the parameter's type:

=================  ====================================================================================================
type               written as
=================  ====================================================================================================
``str``            itself, byte for byte
``int``, ``float`` as Python reads them
``bool``           ``true false 1 0 yes no y n on off t f``, in any case
``list``           ``a,b,c``, or a JSON array where an item holds a comma
``dict``           ``k=v,k2=v2`` (or ``;`` between the pairs), or a JSON object; see :py:func:`to_dict`
an enumeration     the name or the value of a member
``Literal``        one of its values
=================  ====================================================================================================

``Optional`` and ``Annotated`` are looked through; of a union, the first type that accepts the string wins.
"""

from __future__ import annotations

from collections.abc import Mapping

from torchx.util.type_hints import (
    PRIMITIVES,
    container,
    decode_optional,
    get_args,
    is_any,
    is_literal,
    is_optional,
    is_union,
    strip_annotated,
    type_name,
)
from torchx.util.values import read_scalar, unlike

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A pair starts at the beginning or behind a separator, with a key that looks like one; all else belongs to a value.
_PAIR = r"(?:\A|[,;])\s*(\w[\w./-]*)="


def to_list(arg: str) -> list[str]:
    """The items of ``"a,b,c"``. An empty string is an empty list."""
    return arg.split(",") if arg else []


def to_dict(arg: str) -> dict[str, str]:
    """The pairs of ``"k=v,k2=v2"`` or ``"k=v;k2=v2"``.

    A pair starts only at a separator that a key and ``=`` follow, so that values may hold ``,`` ``;`` ``:`` and ``=``.
    Keys are made of letters, digits and ``_ . / -``, and do not start with ``-`` ``.`` or ``/``.

    >>> to_dict("NCCL_IB_HCA=mlx5_0:1,mlx5_1:1,XLA_FLAGS=--a=1,--b=2")
    {'NCCL_IB_HCA': 'mlx5_0:1,mlx5_1:1', 'XLA_FLAGS': '--a=1,--b=2'}

    Raises:
        ValueError: the string does not start with a pair.
    """
    if not arg:
        return {}
    import re

    pairs = list(re.finditer(_PAIR, arg))
    if not pairs or arg[: pairs[0].start(1)].strip():
        raise unlike("KEY=VALUE[,KEY=VALUE...]", arg)
    ends = [pair.start() for pair in pairs[1:]] + [len(arg)]
    return {pair[1]: arg[pair.end() : end] for pair, end in zip(pairs, ends, strict=True)}


def decode(encoded_value: Any, annotation: Any) -> Any:
    """``encoded_value``, with a string that stands for a list or a dict decoded; anything else as it is.

    Raises:
        ValueError: the string is malformed.
    """
    if isinstance(encoded_value, str) and container(annotation) is not None:
        return decode_from_string(encoded_value, annotation)
    return encoded_value


def decode_from_string(encoded_value: str, annotation: Any) -> dict[Any, Any] | list[Any] | None:
    """The list or dict that the string stands for; None where the type is neither.

    >>> decode_from_string("1,2", list[int])
    [1, 2]

    Raises:
        ValueError: the string is malformed, or an item is not of the type that the annotation names.
    """
    kind = container(annotation)
    if kind is None:
        return None
    value = _from_json(encoded_value, kind)
    if value is None:
        value = to_list(encoded_value) if kind is list else to_dict(encoded_value)
    return _with_items(value, decode_optional(strip_annotated(annotation)), str)


def convert(value: object, annotation: Any) -> Any:
    """``value``, typed by a user or read from a configuration, as the type that the annotation names.

    Args:
        value: a string in the grammar of this module, or a value that already has about the right type, as from JSON.
        annotation: the type of the parameter.

    Raises:
        ValueError: the value is not of this type; the message names it.
        TypeError: there is no way to write values of this type as a string.
    """
    bare = strip_annotated(annotation)
    if bare in PRIMITIVES:
        return _convert_primitive(value, bare)
    if is_any(bare) or (value is None and is_optional(bare)):
        return value
    if is_union(bare):
        return _convert_union(value, bare)
    if value is None:
        raise unlike(type_name(bare), None)
    if is_literal(bare):
        return _convert_literal(value, bare)
    if container(bare) is not None:
        return _convert_container(value, bare)
    return _convert_class(value, bare)


def _convert_primitive(value: object, kind: Any) -> object:
    if isinstance(value, str):
        return read_scalar(value, kind)
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    if kind is str and isinstance(value, (bool, int, float)):
        return str(value)
    raise unlike(kind.__name__, value)


def _convert_union(value: object, union: Any) -> Any:
    error: ValueError | None = None
    for arm in get_args(union):
        if arm is type(None):
            continue
        try:
            return convert(value, arm)
        except ValueError as e:
            error = error or e
    alone = decode_optional(union) is not union
    if alone and error is not None:
        raise error
    raise unlike(type_name(union), value) from error


def _convert_literal(value: object, literal: Any) -> Any:
    for choice in get_args(literal):
        if value == choice or (isinstance(value, str) and value == str(choice)):
            return choice
    raise unlike(f"one of {', '.join(map(str, get_args(literal)))}", value)


def _convert_container(value: object, annotation: Any) -> Any:
    if isinstance(value, str):
        return decode_from_string(value, annotation)
    if isinstance(value, Mapping if container(annotation) is dict else (list, tuple)):
        return _with_items(value, annotation, object)
    raise unlike(type_name(annotation), value)


def _with_items(value: Any, annotation: Any, untold: type) -> dict[Any, Any] | list[Any]:
    """A list or a mapping with its items as the types that the annotation names; ``untold`` where it names none."""
    arms = get_args(annotation)
    if container(annotation) is list:
        return [convert(item, arms[0] if arms else untold) for item in value]
    key_type, value_type = arms or (untold, untold)
    return {convert(key, key_type): convert(item, value_type) for key, item in value.items()}


def _from_json(value: str, kind: type[list[Any]] | type[dict[Any, Any]]) -> Any:
    """What a JSON array or object holds; None for any string that is not one and so is in the plain grammar."""
    if value[:1] + value[-1:] != ("[]" if kind is list else "{}"):
        return None
    import json

    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _convert_class(value: object, kind: Any) -> Any:
    from enum import Enum
    from pathlib import PurePath

    unwritten = TypeError(f"type {type_name(kind)} cannot be given on a command line")
    if not isinstance(kind, type):
        raise unwritten
    if isinstance(value, kind):
        return value
    if issubclass(kind, Enum):
        for member in kind:
            if value in (member.name, member.value) or str(member.value) == value:
                return member
        raise unlike(f"one of {', '.join(kind.__members__)}", value)
    if issubclass(kind, PurePath) and isinstance(value, str):
        return kind(value)
    raise unwritten
