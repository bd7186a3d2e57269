"""What a scheduler's factory is called with: the runner's parameters, and ``TORCHX_<PARAM>`` from the environment."""

from __future__ import annotations

import os

from torchx.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_VARKEYWORDS = 0x08  # inspect.CO_VARKEYWORDS


def factory_arguments(factory: Callable[..., Any], params: Mapping[str, object]) -> dict[str, object]:
    """The keyword arguments for a factory, ``session_name`` left out.

    Args:
        factory: ``(session_name, **kwargs) -> Scheduler``.
        params: given in code; those that the factory does not take are left out. They win over the environment.

    Returns:
        The parameters by name. An environment variable ``TORCHX_<PARAM>`` is converted to the parameter's type.

    Raises:
        UsageError: an environment variable can't be converted.
    """
    while hasattr(factory, "__wrapped__"):  # a factory of a plugin that is loaded at its first use
        factory = factory.__wrapped__
    names, takes_any = _parameters(factory)
    arguments = {name: value for name, value in params.items() if takes_any or name in names}
    hints: dict[str, Any] | None = None
    for name in names:
        text = os.environ.get(f"TORCHX_{name.upper()}")
        if text is not None and name not in arguments and name != "session_name":
            hints = _type_hints(factory) if hints is None else hints
            arguments[name] = _convert(name, text, hints.get(name, str))
    return arguments


def _parameters(function: Callable[..., Any]) -> tuple[list[str], bool]:
    """The names that can be passed by keyword, and whether any other one can be too."""
    code = getattr(function, "__code__", None)
    if code is not None:  # without the cost of importing inspect
        return [*code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]], bool(code.co_flags & _VARKEYWORDS)
    import inspect

    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in parameters if p.kind in kinds], any(p.kind is p.VAR_KEYWORD for p in parameters)


def _type_hints(target: Callable[..., Any]) -> dict[str, Any]:
    from typing import get_type_hints

    try:
        return get_type_hints(target)
    except (NameError, TypeError):  # types that exist for the type checker only
        return {}


def _convert(name: str, text: str, hint: Any) -> object:
    from torchx.util.types import decode_from_string, decode_optional, is_primitive
    from torchx.util.values import read_scalar

    kind = decode_optional(hint)
    try:
        if kind is bool and not text:  # as a variable is unset in many a shell script
            return False
        return read_scalar(text, kind) if is_primitive(kind) else decode_from_string(text, kind)
    except (ValueError, TypeError) as error:
        wanted = getattr(kind, "__name__", str(kind))
        raise UsageError(
            f"TORCHX_{name.upper()}={text!r} is not of type {wanted}", hint="correct or unset it"
        ) from error
