"""What all conformance suites have in common: capability flags, and tests that are not overridden silently."""

from __future__ import annotations

import inspect

import pytest

from torchx.errors import TorchXError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn, TypeVar

    Test = TypeVar("Test", bound=Callable[..., object])

_NEEDS = "_torchx_needs"
_REPLACES = "_torchx_replaces"


class ConformanceOverrideError(TorchXError, TypeError):
    """A subclass of a conformance suite hides one of its tests without saying so."""


def needs(*flags: str) -> Callable[[Test], Test]:
    """Marks a test of a suite that only runs where all these capability flags are true."""

    def mark(test: Test) -> Test:
        setattr(test, _NEEDS, flags)
        return test

    return mark


def replaces(reason: str) -> Callable[[Test], Test]:
    """Marks a test that stands in for the test of the same name in the suite.

    For the rare case in which no capability flag fits. Without this mark, a class that hides a test of its suite can't
    be defined.

    Args:
        reason: why the suite's own test can't hold for this plugin.
    """
    if not reason.strip():
        raise ConformanceOverrideError("a test is replaced without a reason", hint='@replaces("why")')

    def mark(test: Test) -> Test:
        setattr(test, _REPLACES, reason)
        return test

    return mark


class ConformanceSuite:
    """The base of all suites.

    Raises:
        ConformanceOverrideError: at the definition of a subclass that hides a test, or replaces one that is not there.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        origins = _origins(cls)
        for name, (suite, original) in origins.items():
            found = inspect.getattr_static(cls, name)
            if found is not original and not hasattr(found, _REPLACES):
                raise ConformanceOverrideError(
                    f"{cls.__qualname__} overrides `{name}` of {suite.__qualname__}",
                    hint="switch off what the plugin lacks by a capability flag, or mark it with @replaces(reason)",
                )
        for name, value in vars(cls).items():
            if hasattr(value, _REPLACES) and origins[name][1] is value:
                raise ConformanceOverrideError(
                    f"{cls.__qualname__}.{name} replaces no test", hint="give it the name of the suite's test"
                )

    @pytest.fixture(autouse=True)
    def _skip_what_is_lacking(self, request: pytest.FixtureRequest) -> None:
        for flag in getattr(request.function, _NEEDS, ()):
            if not getattr(self, flag):
                pytest.skip(f"{type(self).__name__}.{flag} is False")


def missing_fixture(suite: str, name: str, what: str) -> NoReturn:
    """Fails a test whose plugin does not define a fixture that the suite asks for.

    Args:
        suite: the suite's name.
        name: the fixture's name.
        what: what it gives.
    """
    pytest.fail(f"define the fixture `{name}` in the subclass of {suite}: {what}", pytrace=False)


def _origins(cls: type) -> dict[str, tuple[type, object]]:
    """Each test of a class by name, with the most basic suite that defines it and that definition."""
    found: dict[str, tuple[type, object]] = {}
    for base, name, value in _tests(cls):
        found.setdefault(name, (base, value))
    return found


def _tests(cls: type) -> Iterator[tuple[type, str, object]]:
    for base in reversed(cls.__mro__):
        if issubclass(base, ConformanceSuite):
            yield from ((base, name, value) for name, value in vars(base).items() if name.startswith("test"))
