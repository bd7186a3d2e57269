"""A component that was found, and whether its source is that of a component."""

from __future__ import annotations

from torchx.errors import UsageError
from torchx.specs import _component_lookup as _lookup
from torchx.specs._component_class import as_function
from torchx.util.light_dataclass import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torchx.specs.api import AppDef
    from torchx.specs.file_linter import ComponentFunctionValidator, LinterMessage


class ComponentValidationException(UsageError):
    """The component exists, but its parameters or its result are not those of a component."""


@dataclass
class Component:
    """A component that was found.

    Attributes:
        name: the name under which it is run.
        description: one line about it.
        fn_name: the name of the function or class.
        fn: the function that makes the app.
        validation_errors: what is wrong with it; it can be run only if nothing is.
    """

    name: str
    description: str
    fn_name: str
    fn: Callable[..., AppDef]
    validation_errors: list[str] = field(default_factory=list)


def checked(name: str, fn: Callable[..., AppDef], validators: list[ComponentFunctionValidator] | None) -> Component:
    """The component that a function or class is; one that cannot be run where it breaks a rule.

    Args:
        name: the name under which it is run.
        fn: the function or class.
        validators: the rules; None stands for the usual ones, ``[]`` for none.
    """
    fn_name = getattr(fn, "__name__", None) or type(fn).__name__
    errors = [] if validators == [] else _source_errors(fn, fn_name, validators)
    if errors:
        return refused(name, fn_name, errors, _lookup.description(fn))
    return Component(name, _lookup.description(fn), fn_name, as_function(fn))


def refused(name: str, fn_name: str, errors: list[str], description: str = "") -> Component:
    """A component that must not be run."""

    def refuse(*args: object, **kwargs: object) -> AppDef:
        raise invalid(name, errors)

    return Component(name, description, fn_name, refuse, errors)


def invalid(name: str, errors: list[str]) -> ComponentValidationException:
    return ComponentValidationException(f"`{name}` is not a valid component: {'; '.join(errors)}")


def errors_in(messages: Iterable[LinterMessage], path: str) -> list[str]:
    """What the check of a source file found, with the places."""
    # What is not written with `def` in the file was made at run time: nothing in the source can be checked.
    return [f"{m.description} ({path}:{m.line})" for m in messages if m.name != "not-found"]


def _source_errors(
    fn: Callable[..., object], fn_name: str, validators: list[ComponentFunctionValidator] | None
) -> list[str]:
    from torchx.specs.file_linter import validate

    path = _lookup.source_file(fn)
    return [] if path is None else errors_in(validate(path, fn_name, validators), path)
