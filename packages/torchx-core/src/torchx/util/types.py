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

import sys
import types
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable
    from typing import Any, Optional, TypeVar

    _T = TypeVar("_T")

_BOOLS = {
    **dict.fromkeys(("true", "1", "yes", "y", "on", "t"), True),
    **dict.fromkeys(("false", "0", "no", "n", "off", "f"), False),
}
# A pair starts at the beginning or behind a separator, with a key that looks like one; all else belongs to a value.
_PAIR = r"(?:\A|[,;])\s*(\w[\w./-]*)="
_PRIMITIVES = (str, int, float, bool)


# What typing would tell. It is asked only where it is loaded: nothing of it can stand in an annotation otherwise.


def _typing() -> Any:
    return sys.modules.get("typing")


def get_origin(tp: Any) -> Any:
    """As ``typing.get_origin``, without an import of typing."""
    if typing := _typing():
        return typing.get_origin(tp)
    if isinstance(tp, types.UnionType):
        return types.UnionType
    return tp.__origin__ if isinstance(tp, types.GenericAlias) else None


def get_args(tp: Any) -> tuple[Any, ...]:
    """As ``typing.get_args``, without an import of typing."""
    if typing := _typing():
        args: tuple[Any, ...] = typing.get_args(tp)
        return args
    return tp.__args__ if isinstance(tp, (types.UnionType, types.GenericAlias)) else ()


def _is_form(tp: Any, name: str) -> bool:
    typing = _typing()
    return typing is not None and tp is getattr(typing, name)


def _is_any(tp: Any) -> bool:
    return tp is object or _is_form(tp, "Any")


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
        raise ValueError(f"expected KEY=VALUE[,KEY=VALUE...], got {_shortened(arg)}")
    ends = [pair.start() for pair in pairs[1:]] + [len(arg)]
    return {pair[1]: arg[pair.end() : end] for pair, end in zip(pairs, ends, strict=True)}


def to_bool(arg: str) -> bool:
    """The truth value that ``arg`` spells.

    Raises:
        ValueError: it spells none.
    """
    try:
        return _BOOLS[arg.strip().lower()]
    except KeyError:
        raise ValueError(f"expected true or false, got {arg!r}") from None


def is_bool_word(arg: str) -> bool:
    """Whether :py:func:`to_bool` accepts ``arg``."""
    return arg.strip().lower() in _BOOLS


def strip_annotated(param_type: Any) -> Any:
    """``X`` of ``Annotated[X, ...]``; anything else as it is."""
    return get_args(param_type)[0] if _is_form(get_origin(param_type), "Annotated") else param_type


def is_optional(param_type: Any) -> bool:
    """Whether None is among the values of the type."""
    bare = strip_annotated(param_type)
    return bare is None or bare is type(None) or (_is_union(bare) and any(map(is_optional, get_args(bare))))


def is_bool(param_type: Any) -> bool:
    """Whether the type is ``bool``, or an optional ``bool``."""
    return decode_optional(strip_annotated(param_type)) is bool


def is_primitive(param_type: Any) -> bool:
    """Whether the type is one of ``str``, ``int``, ``float`` and ``bool``."""
    return param_type in _PRIMITIVES


def decode_optional(param_type: Any) -> Any:
    """``X`` of ``Optional[X]`` or ``X | None``; anything else as it is."""
    if not _is_union(param_type):
        return param_type
    arms = [arm for arm in get_args(param_type) if arm is not type(None)]
    return arms[0] if len(arms) == 1 and len(arms) < len(get_args(param_type)) else param_type


def _is_union(param_type: Any) -> bool:
    origin = get_origin(param_type)
    return origin is types.UnionType or _is_form(origin, "Union")


def decode(encoded_value: Any, annotation: Any) -> Any:
    """``encoded_value``, with a string that stands for a list or a dict decoded; anything else as it is.

    Raises:
        ValueError: the string is malformed.
    """
    return decode_from_string(encoded_value, annotation) if _is_encoded(encoded_value, annotation) else encoded_value


def _is_encoded(value: Any, annotation: Any) -> bool:
    return isinstance(value, str) and _container(annotation) is not None


def decode_from_string(encoded_value: str, annotation: Any) -> dict[Any, Any] | list[Any] | None:
    """The list or dict that the string stands for; None where the type is neither.

    >>> decode_from_string("1,2", list[int])
    [1, 2]

    Raises:
        ValueError: the string is malformed, or an item is not of the type that the annotation names.
    """
    kind = _container(annotation)
    if kind is None:
        return None
    arms = get_args(decode_optional(strip_annotated(annotation)))
    plain = _from_json(encoded_value, kind)
    if kind is list:
        items = to_list(encoded_value) if plain is None else plain
        return [convert(item, arms[0] if arms else str) for item in items]
    key_type, value_type = arms or (str, str)
    pairs = to_dict(encoded_value) if plain is None else plain
    return {convert(key, key_type): convert(value, value_type) for key, value in pairs.items()}


def _container(annotation: Any) -> type[list[Any]] | type[dict[Any, Any]] | None:
    bare = decode_optional(strip_annotated(annotation))
    origin = get_origin(bare) or bare
    if not isinstance(origin, type) or issubclass(origin, (str, bytes)):
        return None
    if issubclass(origin, Mapping):
        return dict
    return list if issubclass(origin, Sequence) else None


def _from_json(value: str, kind: type[list[Any]] | type[dict[Any, Any]]) -> Any:
    """What a JSON array or object holds; None for any string that is not one and so is in the plain grammar."""
    if value[:1] + value[-1:] != ("[]" if kind is list else "{}"):
        return None
    import json

    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


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
    if value is None:
        if is_optional(bare) or _is_any(bare):
            return None
        raise ValueError(f"expected {type_name(bare)}, got None")
    if _is_union(bare):
        return _convert_union(value, bare)
    if _is_form(get_origin(bare), "Literal"):
        return _convert_literal(value, bare)
    if _is_any(bare):
        return value
    if _container(bare) is not None:
        return _convert_container(value, bare)
    if bare in _PRIMITIVES:
        return _convert_primitive(value, bare)
    return _convert_class(value, bare)


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
    raise ValueError(f"expected {type_name(union)}, got {value!r}") from error


def _convert_literal(value: object, literal: Any) -> Any:
    for choice in get_args(literal):
        if value == choice or (isinstance(value, str) and value == str(choice)):
            return choice
    raise ValueError(f"expected one of {', '.join(map(str, get_args(literal)))}, got {value!r}")


def _convert_container(value: object, annotation: Any) -> Any:
    if isinstance(value, str):
        return decode_from_string(value, annotation)
    arms = get_args(annotation)
    if _container(annotation) is dict and isinstance(value, Mapping):
        key_type, value_type = arms or (object, object)
        return {convert(key, key_type): convert(item, value_type) for key, item in value.items()}
    if _container(annotation) is list and isinstance(value, (list, tuple)):
        return [convert(item, arms[0] if arms else object) for item in value]
    raise ValueError(f"expected {type_name(annotation)}, got {value!r}")


def _convert_primitive(value: object, kind: Any) -> object:
    if isinstance(value, str):
        if kind is str:
            return value
        if kind is bool:
            return to_bool(value)
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"expected {kind.__name__}, got {_shortened(value)}") from None
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    if kind is str and isinstance(value, (bool, int, float)):
        return str(value)
    raise ValueError(f"expected {kind.__name__}, got {value!r}")


def _convert_class(value: object, kind: Any) -> Any:
    from enum import Enum
    from pathlib import PurePath

    if not isinstance(kind, type):
        raise TypeError(f"type {type_name(kind)} cannot be given on a command line")
    if isinstance(value, kind):
        return value
    if issubclass(kind, Enum):
        for member in kind:
            if value in (member.name, member.value) or str(member.value) == value:
                return member
        raise ValueError(f"expected one of {', '.join(kind.__members__)}, got {value!r}")
    if issubclass(kind, PurePath) and isinstance(value, str):
        return kind(value)
    raise TypeError(f"type {type_name(kind)} cannot be given on a command line")


def _shortened(value: str) -> str:
    return repr(value if len(value) <= 200 else f"{value[:200]}...")


def type_name(param_type: Any) -> str:
    """The type as users read it: ``int``, ``list[str]``, ``str | None``."""
    if param_type is type(None):
        return "None"
    if _is_union(param_type):
        return " | ".join(map(type_name, get_args(param_type)))
    if isinstance(param_type, type) and not get_args(param_type):
        return param_type.__name__
    return str(param_type).replace("typing.", "")


def get_argparse_param_type(parameter: inspect.Parameter) -> Callable[[str], object]:
    """The function that makes a parameter's value of the string on the command line, as ``argparse`` wants it.

    Lists and dicts stay strings, for :py:func:`decode`.
    """
    annotation = parameter.annotation
    bare = decode_optional(strip_annotated(annotation))
    if is_bool(annotation):
        return to_bool
    if bare in _PRIMITIVES:
        primitive: Callable[[str], object] = bare
        return primitive
    if bare is parameter.empty or isinstance(bare, str) or _container(bare) is not None:
        return str

    def parse(value: str) -> object:
        return convert(value, bare)

    parse.__name__ = type_name(bare)
    return parse


def none_throws(optional: Optional[_T], message: str = "Unexpected `None`") -> _T:
    """``optional``, known not to be None.

    Raises:
        AssertionError: it is None.
    """
    if optional is None:
        raise AssertionError(message)
    return optional
