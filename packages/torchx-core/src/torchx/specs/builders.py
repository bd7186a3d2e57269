"""From a component function and its arguments to the ``AppDef`` that it makes."""

from __future__ import annotations

from torchx.errors import UsageError
from torchx.specs._component_args import (
    ArgvParser,
    ComponentArgsError,
    HelpRequested,
    args_error,
    convert_defaults,
    convert_mapping,
    convert_value,
)
from torchx.specs._component_class import as_function
from torchx.specs._component_params import Params
from torchx.specs._handle import make_app_handle
from torchx.specs._mounts import parse_mounts
from torchx.util.foreign_output import foreign_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any, NamedTuple

    from torchx.specs.api import AppDef

__all__ = [
    "ComponentArgs",
    "ComponentArgsError",
    "component_args_from_str",
    "make_app_handle",
    "materialize_appdef",
    "parse_args",
    "parse_mounts",
]


if TYPE_CHECKING:

    class _Values(NamedTuple):
        positional_args: dict[str, Any]
        var_args: list[Any]
        kwargs: dict[str, Any]

else:
    from collections import namedtuple

    _Values = namedtuple("_Values", ["positional_args", "var_args", "kwargs"])


class ComponentArgs(_Values):
    """The values for a component's parameters, in the shape in which the function is called: a named tuple.

    Attributes:
        positional_args: the parameters that may be passed by position, all of them, in order.
        var_args: what goes to ``*args``.
        kwargs: the parameters that are passed by name only.
    """

    __slots__ = ()


def parse_args(
    cmpnt_fn: Callable[..., AppDef],
    cmpnt_args: list[str],
    cmpnt_defaults: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
) -> argparse.Namespace:
    """The value of each parameter, as attributes called like the parameters. See :py:func:`component_args_from_str`."""
    import argparse

    params = Params(as_function(cmpnt_fn))
    values, rest = _resolve(cmpnt_fn, params, cmpnt_args, cmpnt_defaults, config)
    if params.variadic is not None:
        values[params.variadic.name] = rest
    return argparse.Namespace(**values)


def component_args_from_str(
    cmpnt_fn: Callable[..., AppDef],
    cmpnt_args: list[str],
    cmpnt_args_defaults: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
) -> ComponentArgs:
    """Reads the arguments of a component.

    Args:
        cmpnt_fn: the component.
        cmpnt_args: the words of its command line: options, then what goes to ``*args``; ``--`` ends the options.
        cmpnt_args_defaults: values by parameter name, strings as in a configuration file, that stand in for the
            defaults of the function's signature.
        config: values by parameter name, of any type that JSON has; they win over ``cmpnt_args_defaults``, and the
            command line wins over them.

    Raises:
        ComponentArgsError: an argument does not fit; names it, and what would.
        SystemExit: with status 0, where ``--help`` is among the arguments, after the help was printed.
    """
    params = Params(as_function(cmpnt_fn))
    values, rest = _resolve(cmpnt_fn, params, cmpnt_args, cmpnt_args_defaults, config)
    return ComponentArgs(
        positional_args={name: values[name] for name, p in params.options.items() if not p.keyword_only},
        var_args=rest,
        kwargs={name: values[name] for name, p in params.options.items() if p.keyword_only},
    )


def materialize_appdef(
    cmpnt_fn: Callable[..., AppDef],
    cmpnt_args: list[str],
    cmpnt_defaults: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
) -> AppDef:
    """The app that a component makes of its arguments.

    Args:
        cmpnt_fn: the component: a function, or a class with a method ``build``.
        cmpnt_args: see :py:func:`component_args_from_str`.
        cmpnt_defaults: see ``cmpnt_args_defaults`` there.
        config: see there.

    Raises:
        ComponentArgsError: an argument does not fit.
        UsageError: the component returned something other than an ``AppDef``.
    """
    from torchx.specs.api import AppDef

    fn = as_function(cmpnt_fn)
    args = component_args_from_str(fn, cmpnt_args, cmpnt_defaults, config)
    with foreign_output():
        app = fn(*args.positional_args.values(), *args.var_args, **args.kwargs)
    if not isinstance(app, AppDef):
        raise UsageError(f"component `{fn.__name__}` returned {type(app).__name__}, not an AppDef")
    return app


def _resolve(
    fn: Callable[..., object],
    params: Params,
    argv: list[str],
    defaults: dict[str, Any] | None,
    config: dict[str, Any] | None,
) -> tuple[dict[str, Any], list[Any]]:
    """The value of every option by name, and the values for ``*args``: the nearest source that gives one wins."""
    default_values, default_rest = convert_defaults(params, defaults or {})
    config_values, config_rest = convert_mapping(params, config or {})
    try:
        given, given_rest = ArgvParser(params).parse(argv)
    except HelpRequested:
        from torchx.specs._component_help import print_help

        print_help(fn, params, default_values | config_values)
        raise SystemExit(0) from None
    values = default_values | config_values | given
    missing = [p.flag for name, p in params.options.items() if p.required and name not in values]
    if missing:
        example = " ".join(f"{flag} ..." for flag in missing)
        raise args_error(params, f"missing {', '.join(f'`{flag}`' for flag in missing)}", f"add `{example}`")
    complete = {name: values.get(name, p.default) for name, p in params.options.items()}
    return complete, _rest(params, given_rest or config_rest or default_rest)


def _rest(params: Params, words: list[Any]) -> list[Any]:
    param = params.variadic
    if param is None:
        return words
    return [convert_value(params, param, word, f"*{param.name}") for word in words]
