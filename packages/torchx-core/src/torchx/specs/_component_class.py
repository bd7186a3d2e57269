"""Components that are classes: what their method ``build`` returns is the app."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from torchx.errors import UsageError
from torchx.specs._component_params import resolved_parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchx.specs.api import AppDef


def is_component_class(obj: object) -> bool:
    """Whether ``obj`` is a class with a method ``build``."""
    return isinstance(obj, type) and callable(getattr(obj, "build", None))


def as_function(component: Callable[..., AppDef]) -> Callable[..., AppDef]:
    """The component as a plain function; a function is returned as it is.

    For a class whose ``build`` is static or a class method, that method. Else a function that takes the parameters of
    the class and of ``build`` (by name only), makes an instance with the former and calls ``build`` with the latter.

    Raises:
        UsageError: a class that is not a component.
    """
    if not isinstance(component, type):
        return component
    if not is_component_class(component):
        raise UsageError(f"class `{component.__name__}` is not a component", hint="give it a method `build`")
    build = inspect.getattr_static(component, "build")
    is_bound = isinstance(build, (staticmethod, classmethod))
    made, parameters = _of_bound_build(component) if is_bound else _of_instance_build(component)
    made.__name__ = component.__name__
    made.__qualname__ = component.__qualname__
    made.__module__ = component.__module__
    made.__doc__ = component.__doc__ or build.__doc__
    made.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect.signature
    return made


def _of_bound_build(cls: Any) -> tuple[Callable[..., AppDef], list[inspect.Parameter]]:
    def component(*args: Any, **kwargs: Any) -> AppDef:
        app: AppDef = cls.build(*args, **kwargs)
        return app

    return component, resolved_parameters(cls.build)


def _of_instance_build(cls: Any) -> tuple[Callable[..., AppDef], list[inspect.Parameter]]:
    init = _named(cls)
    build = _named(cls.build)[1:]  # without self
    of_init = {p.name for p in init}
    if twice := [p.name for p in build if p.name in of_init]:
        raise UsageError(f"class `{cls.__name__}` and its `build` both have the parameter `{twice[0]}`")
    variadic = next((p.name for p in (*init, *build) if p.kind is p.VAR_POSITIONAL), None)

    def component(*args: Any, **kwargs: Any) -> AppDef:
        for_init = {name: value for name, value in kwargs.items() if name in of_init}
        for_build = {name: value for name, value in kwargs.items() if name not in of_init}
        instance = cls(*(args if variadic in of_init else ()), **for_init)
        app: AppDef = instance.build(*(() if variadic in of_init else args), **for_build)
        return app

    parameters = [p if p.kind is p.VAR_POSITIONAL else p.replace(kind=p.KEYWORD_ONLY) for p in (*init, *build)]
    return component, sorted(parameters, key=lambda p: p.kind)


def _named(obj: Any) -> list[inspect.Parameter]:
    return [p for p in resolved_parameters(obj) if p.kind is not p.VAR_KEYWORD]
