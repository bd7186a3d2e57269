"""The parameters of a component function, as its options on the command line.

``inspect`` and ``typing``, which cost as much as a start of the interpreter each, are imported only for what needs
them: a plain function with plain types does not.
"""

from __future__ import annotations

import types

from torchx.errors import UsageError
from torchx.util.type_hints import get_args, get_origin, strip_annotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable, Iterator
    from typing import Any


class _Required:
    def __repr__(self) -> str:
        return "<required>"


REQUIRED = _Required()
"""The default of a parameter that has none."""

_VAR_POSITIONAL, _VAR_KEYWORD = 0x04, 0x08  # inspect.CO_VARARGS, inspect.CO_VARKEYWORDS


class Param:
    """A parameter of a component.

    Attributes:
        name: its name in the function.
        annotation: its type, resolved; ``str`` where the function does not say.
        default: the function's default, ``REQUIRED`` where there is none.
        kind: ``"any"`` (by position or by name), ``"position"``, ``"name"``, ``"*"`` or ``"**"``.
        flags: how it is written on the command line: ``--name`` (``-n`` too, for a name of one letter), and the option
            strings in its ``Annotated`` type, as in ``Annotated[str, "-cn"]``.
    """

    __slots__ = ("annotation", "default", "flags", "kind", "name")

    def __init__(self, name: str, kind: str, default: object, annotation: Any) -> None:
        self.name = name
        self.kind = kind
        self.default: Any = default
        self.annotation = annotation
        self.flags = [f"--{name}"]
        if len(name) == 1:
            self.flags.insert(0, f"-{name}")
        if strip_annotated(annotation) is not annotation:
            self.flags += [x for x in get_args(annotation)[1:] if isinstance(x, str) and x.startswith("-")]

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def keyword_only(self) -> bool:
        return self.kind == "name"

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
        for param in read_params(fn):
            if param.kind == "*":
                self.variadic = param
            elif param.kind != "**":
                self.options[param.name] = param

    def find(self, name: str) -> Param | None:
        """The parameter called ``name``, where ``-`` and ``_`` are the same."""
        name = name.replace("-", "_")
        if self.variadic is not None and name == self.variadic.name:
            return self.variadic
        return self.options.get(name)

    def names(self) -> list[str]:
        return [*self.options, *([self.variadic.name] if self.variadic else [])]


def read_params(fn: Callable[..., object]) -> list[Param]:
    """The parameters of a function or class, in order, their annotations evaluated.

    The return type does not matter: it is often imported for type checkers only.

    Raises:
        UsageError: an annotation cannot be evaluated, or it is not known how the object is called.
    """
    made: list[Param] | None = getattr(fn, "__torchx_params__", None)
    if made is not None:
        return made
    is_plain = (
        isinstance(fn, types.FunctionType) and not hasattr(fn, "__wrapped__") and not hasattr(fn, "__signature__")
    )
    parameters = _of_function(fn) if is_plain else _of_callable(fn)  # type: ignore[arg-type]  # a function if plain
    scope = _scope(fn)
    return [Param(name, kind, default, _resolved(name, note, scope, fn)) for name, kind, default, note in parameters]


def _of_function(fn: types.FunctionType) -> Iterator[tuple[str, str, object, Any]]:
    """Name, kind, default and annotation of each parameter."""
    code, notes = fn.__code__, fn.__annotations__
    names = code.co_varnames
    count, positional = code.co_argcount, code.co_posonlyargcount
    defaults = fn.__defaults__ or ()
    for i, name in enumerate(names[:count]):
        default = defaults[i - count + len(defaults)] if i >= count - len(defaults) else REQUIRED
        yield name, "position" if i < positional else "any", default, notes.get(name, str)
    by_name = names[count : count + code.co_kwonlyargcount]
    variadic = list(names[count + len(by_name) :])
    if code.co_flags & _VAR_POSITIONAL:
        name = variadic.pop(0)
        yield name, "*", REQUIRED, notes.get(name, str)
    for name in by_name:
        yield name, "name", (fn.__kwdefaults__ or {}).get(name, REQUIRED), notes.get(name, str)
    if code.co_flags & _VAR_KEYWORD:
        yield variadic[0], "**", REQUIRED, notes.get(variadic[0], str)


def _of_callable(obj: Callable[..., object]) -> Iterator[tuple[str, str, object, Any]]:
    import inspect

    try:
        signature = inspect.signature(obj)
    except (TypeError, ValueError) as e:
        raise UsageError(f"{obj!r} is not a component: {e}") from e
    for name, p in signature.parameters.items():
        default = REQUIRED if p.default is p.empty else p.default
        yield name, _kind(p), default, str if p.annotation is p.empty else p.annotation


def _kind(parameter: inspect.Parameter) -> str:
    kinds: dict[int, str] = {
        parameter.POSITIONAL_ONLY: "position",
        parameter.POSITIONAL_OR_KEYWORD: "any",
        parameter.VAR_POSITIONAL: "*",
        parameter.KEYWORD_ONLY: "name",
    }
    return kinds.get(parameter.kind, "**")


def _scope(fn: Any) -> dict[str, Any]:
    """The names that the annotations of a function or class are written with."""
    source = vars(fn).get("__init__", fn) if isinstance(fn, type) else fn
    while hasattr(source, "__wrapped__"):
        source = source.__wrapped__
    while hasattr(source, "func"):  # functools.partial
        source = source.func
    scope: dict[str, Any] = getattr(source, "__globals__", {})
    return scope


def _resolved(name: str, annotation: Any, scope: dict[str, Any], fn: Any) -> Any:
    try:
        if isinstance(annotation, str):
            annotation = _evaluated(annotation, scope)
        if isinstance(annotation, type) or isinstance(get_origin(annotation), type):
            return annotation
        # What typing makes may hold names in strings.
        import typing

        holder = types.SimpleNamespace(__annotations__={name: annotation})
        return typing.get_type_hints(holder, scope, include_extras=True)[name]
    except Exception as e:  # whatever evaluating the component author's text raises
        component = getattr(fn, "__name__", fn)
        raise UsageError(
            f"component `{component}`: the type of parameter `{name}` cannot be resolved: {annotation!r}: {e}",
            hint="import what it names at run time, not under TYPE_CHECKING only",
        ) from e


def _evaluated(text: str, scope: dict[str, Any]) -> Any:
    try:
        return eval(text, scope)
    except NameError:
        # Names of typing are often imported for type checkers only.
        import typing

        return eval(text, {**vars(typing), **scope})
