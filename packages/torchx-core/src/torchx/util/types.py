"""Conveniences for programs that read values of typed parameters from text.

What types say is in :py:mod:`torchx.util.type_hints`, the grammar of the text in :py:mod:`torchx.util.conversion`.
"""

from __future__ import annotations

from torchx.util.conversion import convert, decode, decode_from_string, to_dict, to_list
from torchx.util.type_hints import (
    PRIMITIVES,
    container,
    decode_optional,
    is_bool,
    is_primitive,
    strip_annotated,
    type_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable
    from typing import Optional, TypeVar

    _T = TypeVar("_T")

__all__ = [
    "decode",
    "decode_from_string",
    "decode_optional",
    "get_argparse_param_type",
    "is_bool",
    "is_primitive",
    "none_throws",
    "to_dict",
    "to_list",
]


def get_argparse_param_type(parameter: inspect.Parameter) -> Callable[[str], object]:
    """The function that makes a parameter's value of the string on the command line, as ``argparse`` wants it.

    Lists and dicts stay strings, for :py:func:`decode`.
    """
    bare = decode_optional(strip_annotated(parameter.annotation))
    if bare in PRIMITIVES and bare is not bool:
        primitive: Callable[[str], object] = bare
        return primitive
    if bare is parameter.empty or isinstance(bare, str) or container(bare) is not None:
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
