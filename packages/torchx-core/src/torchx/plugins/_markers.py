"""The ``hookimpl`` and ``hookspec`` markers.

They leave the same attributes as pluggy's own markers, so that pluggy understands them, but marking a function does not
import pluggy: every ``plugin.py`` is imported by ``torchx --help``, and few of them need more than a marker.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., object])
else:
    overload = bool  # Anything that can be called: what it decorates below is only for type checkers.


PROJECT = "torchx"
_IMPL = f"{PROJECT}_impl"
_SPEC = f"{PROJECT}_spec"

LIFECYCLE_HOOKS = ("torchx_transform_app", "torchx_app_submitted", "torchx_app_finished")
"""The hooks that take part in a submission; all others describe what a plugin adds."""


@overload
def hookimpl(function: F) -> F: ...
@overload
def hookimpl(*, tryfirst: bool = ..., trylast: bool = ...) -> Callable[[F], F]: ...  # noqa: F811  # ruff knows overload only from typing
def hookimpl(  # noqa: F811
    function: F | None = None, *, tryfirst: bool = False, trylast: bool = False
) -> F | Callable[[F], F]:
    """Marks a function of a ``plugin.py`` as the implementation of the hook of the same name.

    Args:
        function: the function, when used as ``@hookimpl`` without arguments.
        tryfirst: run before the implementations of other plugins (lifecycle hooks).
        trylast: run after them.
    """
    options = {
        "wrapper": False,
        "hookwrapper": False,
        "optionalhook": False,
        "tryfirst": tryfirst,
        "trylast": trylast,
        "specname": None,
    }

    def mark(target: F) -> F:
        setattr(target, _IMPL, options)
        return target

    return mark if function is None else mark(function)


def hookspec(function: F) -> F:
    """Marks a function as the specification of a hook."""
    options = {"firstresult": False, "historic": False, "warn_on_impl": None, "warn_on_impl_args": None}
    setattr(function, _SPEC, options)
    return function


def impl_options(function: object) -> dict[str, Any] | None:
    """What ``hookimpl`` was given for the function, None if it is not marked."""
    options = getattr(function, _IMPL, None)
    return options if isinstance(options, dict) else None


def spec_options(function: object) -> dict[str, Any] | None:
    """What ``hookspec`` left on the function, None if it is not marked."""
    options = getattr(function, _SPEC, None)
    return options if isinstance(options, dict) else None
