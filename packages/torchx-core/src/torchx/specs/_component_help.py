"""The help of a component, made from its signature and docstring."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from torchx.specs._component_class import as_function
from torchx.specs.file_linter import TorchXArgumentHelpFormatter, get_fn_docstring
from torchx.util.type_hints import decode_optional, strip_annotated, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torchx.specs._component_params import Param, Params


def print_help(fn: Callable[..., Any], params: Params, defaults: Mapping[str, Any]) -> None:
    """Writes the help to the standard output.

    Args:
        fn: the component.
        params: its parameters.
        defaults: values that stand in for the defaults of the signature.
    """
    sys.stdout.write(help_parser(fn, params, defaults).format_help())


def help_parser(fn: Callable[..., Any], params: Params, defaults: Mapping[str, Any]) -> argparse.ArgumentParser:
    """A parser that knows the component's options; it is used for their description only."""
    description, about = get_fn_docstring(as_function(fn))
    parser = argparse.ArgumentParser(
        prog=f"torchx run <run args...> {params.component}",
        description=_escaped(description),
        formatter_class=TorchXArgumentHelpFormatter,
        add_help=False,
    )
    free = {"-h", "--help"} - {flag for p in params.options.values() for flag in p.flags}
    if free:
        parser.add_argument(*sorted(free), action="help", help="show this help and exit")
    for param in params.options.values():
        _add_option(parser, param, about.get(param.name, ""), defaults)
    if params.variadic is not None:
        name = params.variadic.name
        parser.add_argument(
            name, metavar=name, type=str, nargs=argparse.REMAINDER, help=_escaped(about.get(name, "")) or " "
        )
    return parser


def _add_option(parser: argparse.ArgumentParser, param: Param, about: str, defaults: Mapping[str, Any]) -> None:
    required = param.required and param.name not in defaults
    parser.add_argument(
        *param.flags,
        dest=param.name,
        required=required,
        default=argparse.SUPPRESS if required else defaults.get(param.name, param.default),
        type=_named_type(param),
        help=_escaped(about.strip()) or ("(required)" if required else "(default: %(default)s)"),
    )


def _named_type(param: Param) -> Callable[[str], str]:
    """A stand-in for the type: the help formatter shows its name."""

    def named(value: str) -> str:
        return value

    named.__name__ = type_name(decode_optional(strip_annotated(param.annotation)))
    return named


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
