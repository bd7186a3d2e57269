"""Components that are classes: what their method ``build`` returns is the app."""

from __future__ import annotations

from torchx.errors import UsageError
from torchx.specs._component_params import Param, read_params

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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
    import inspect

    build = inspect.getattr_static(component, "build")
    is_bound = isinstance(build, (staticmethod, classmethod))
    made, params = _of_bound_build(component) if is_bound else _of_instance_build(component)
    made.__name__ = component.__name__
    made.__qualname__ = component.__qualname__
    made.__module__ = component.__module__
    made.__doc__ = component.__doc__ or build.__doc__
    made.__torchx_params__ = params  # type: ignore[attr-defined]  # read by read_params
    return made


def _of_bound_build(cls: Any) -> tuple[Callable[..., AppDef], list[Param]]:
    def component(*args: Any, **kwargs: Any) -> AppDef:
        app: AppDef = cls.build(*args, **kwargs)
        return app

    return component, read_params(cls.build)


def _of_instance_build(cls: Any) -> tuple[Callable[..., AppDef], list[Param]]:
    init = [p for p in read_params(cls) if p.kind != "**"]
    build = [p for p in read_params(cls.build)[1:] if p.kind != "**"]  # without self
    of_init = {p.name for p in init}
    if twice := [p.name for p in build if p.name in of_init]:
        raise UsageError(f"class `{cls.__name__}` and its `build` both have the parameter `{twice[0]}`")
    variadic = next((p.name for p in (*init, *build) if p.kind == "*"), None)

    def component(*args: Any, **kwargs: Any) -> AppDef:
        for_init = {name: value for name, value in kwargs.items() if name in of_init}
        for_build = {name: value for name, value in kwargs.items() if name not in of_init}
        instance = cls(*(args if variadic in of_init else ()), **for_init)
        app: AppDef = instance.build(*(() if variadic in of_init else args), **for_build)
        return app

    def by_name(p: Param) -> Param:
        return p if p.kind == "*" else Param(p.name, "name", p.default, p.annotation)

    return component, [by_name(p) for p in (*init, *build)]
