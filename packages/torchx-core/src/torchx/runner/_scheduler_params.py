"""What a scheduler's factory is called with: the runner's parameters, and ``TORCHX_<PARAM>`` from the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from torchx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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
    import inspect

    target = inspect.unwrap(factory)
    parameters = inspect.signature(target).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    arguments = {name: value for name, value in params.items() if takes_any or name in parameters}
    hints: dict[str, Any] | None = None
    for name, parameter in parameters.items():
        text = os.environ.get(f"TORCHX_{name.upper()}")
        if text is None or name in arguments or name == "session_name" or parameter.kind is parameter.VAR_KEYWORD:
            continue
        hints = _type_hints(target) if hints is None else hints
        arguments[name] = _convert(name, text, hints.get(name, str))
    return arguments


def _type_hints(target: Callable[..., Any]) -> dict[str, Any]:
    from typing import get_type_hints

    try:
        return get_type_hints(target)
    except (NameError, TypeError):  # types that exist for the type checker only
        return {}


def _convert(name: str, text: str, hint: Any) -> object:
    from torchx.util.types import decode_from_string, decode_optional, is_bool, is_primitive

    kind = decode_optional(hint)
    try:
        if is_bool(kind):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[
                text.lower()
            ]
        if is_primitive(kind):
            return kind(text)
        return decode_from_string(text, kind)
    except (KeyError, ValueError, TypeError) as error:
        wanted = getattr(kind, "__name__", str(kind))
        raise UsageError(
            f"TORCHX_{name.upper()}={text!r} is not of type {wanted}", hint="correct or unset it"
        ) from error
