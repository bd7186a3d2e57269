"""The parameters of a component function, as its options on the command line."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from torchx.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


class Param:
    """A parameter of a component.

    Attributes:
        name: its name in the function.
        annotation: its type, resolved; ``str`` where the function does not say.
        default: the function's default, ``inspect.Parameter.empty`` where the parameter is required.
        keyword_only: whether the function takes it by name only.
        flags: how it is written on the command line: ``--name`` (``-n`` too, for a name of one letter), and the option
            strings in its ``Annotated`` type, as in ``Annotated[str, "-cn"]``.
    """

    __slots__ = ("annotation", "default", "flags", "keyword_only", "name")

    def __init__(self, parameter: inspect.Parameter) -> None:
        self.name = parameter.name
        self.annotation: Any = parameter.annotation
        self.default = parameter.default
        self.keyword_only = parameter.kind is parameter.KEYWORD_ONLY
        self.flags = [f"--{self.name}"]
        if len(self.name) == 1:
            self.flags.insert(0, f"-{self.name}")
        if get_origin(self.annotation) is Annotated:
            self.flags += [x for x in get_args(self.annotation)[1:] if isinstance(x, str) and x.startswith("-")]

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def flag(self) -> str:
        """How messages name it."""
        return self.flags[0]


class Params:
    """All parameters of a component.

    Attributes:
        component: how messages name the component.
        options: the parameters but ``*args``, by name, in the function's order.
        variadic: ``*args``, which takes what follows the options; None where the component has none.
    """

    __slots__ = ("component", "options", "variadic")

    def __init__(self, fn: Callable[..., object]) -> None:
        self.component: str = getattr(fn, "__name__", None) or type(fn).__name__
        self.options: dict[str, Param] = {}
        self.variadic: Param | None = None
        for parameter in resolved_parameters(fn):
            if parameter.kind is parameter.VAR_POSITIONAL:
                self.variadic = Param(parameter)
            elif parameter.kind is not parameter.VAR_KEYWORD:
                self.options[parameter.name] = Param(parameter)

    def find(self, name: str) -> Param | None:
        """The parameter called ``name``, where ``-`` and ``_`` are the same."""
        name = name.replace("-", "_")
        if self.variadic is not None and name == self.variadic.name:
            return self.variadic
        return self.options.get(name)

    def names(self) -> list[str]:
        return [*self.options, *([self.variadic.name] if self.variadic else [])]


def resolved_parameters(fn: Callable[..., object]) -> list[inspect.Parameter]:
    """The parameters of a function or class, their annotations evaluated; ``str`` where there is none.

    The return type does not matter: it is often imported for type checkers only.

    Raises:
        UsageError: an annotation cannot be evaluated.
    """
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError) as e:
        raise UsageError(f"{fn!r} is not a component: {e}") from e
    source = fn.__init__ if isinstance(fn, type) else fn  # type: ignore[misc]  # only its globals are read
    scope = getattr(inspect.unwrap(source), "__globals__", {})
    return [p.replace(annotation=_resolved(p, scope, fn)) for p in parameters]


def _resolved(parameter: inspect.Parameter, scope: dict[str, Any], fn: Callable[..., object]) -> Any:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return str
    # typing's evaluation is slow; most parameters have a plain class.
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation
    import types
    import typing

    holder = types.SimpleNamespace(__annotations__={parameter.name: annotation})
    try:
        return typing.get_type_hints(holder, scope, include_extras=True)[parameter.name]
    except Exception as e:  # whatever evaluating the component author's text raises
        name = getattr(fn, "__name__", fn)
        raise UsageError(
            f"component `{name}`: the type of parameter `{parameter.name}` cannot be resolved: {annotation!r}: {e}",
            hint="import what it names at run time, not under TYPE_CHECKING only",
        ) from e
