"""Single values from text, wherever users type them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.runner._scheduler_params import factory_arguments
from torchx.specs import runopt
from torchx.specs.builders import parse_args
from torchx.util.values import read_bool, read_scalar, unlike

if TYPE_CHECKING:
    from torchx.specs import AppDef

TRUE = ("true", "True", "1", "YES", "y", "on", "t", " true ")
FALSE = ("false", "False", "0", "No", "n", "OFF", "f", " false ")


def factory(session_name: str, flag: bool = False) -> None:
    raise NotImplementedError


def component(flag: bool = False, count: int = 0, share: float = 0.0) -> AppDef:
    raise NotImplementedError


def as_option(text: str, kind: type) -> object:
    """As ``-cfg option=text`` is read."""
    return runopt(None, kind, False, "").cast_to_type(text)


def as_argument(text: str, kind: type) -> object:
    """As ``--flag=text`` of a component is read."""
    name = {bool: "flag", int: "count", float: "share"}[kind]
    return getattr(parse_args(component, [f"--{name}={text}"]), name)


@pytest.mark.parametrize("text", TRUE)
def test_words_for_true(text: str) -> None:
    assert read_bool(text) is True


@pytest.mark.parametrize("text", FALSE)
def test_words_for_false(text: str) -> None:
    assert read_bool(text) is False


@pytest.mark.parametrize("text", ["", "maybe", "2", "tr", "none", "-1"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected true or false, got") as caught:
        read_bool(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        pytest.param("7", int, 7, id="int"),
        pytest.param("-1_000", int, -1000, id="int-as-python"),
        pytest.param("1e3", float, 1000.0, id="float"),
        pytest.param("inf", float, float("inf"), id="infinite"),
        pytest.param("no", bool, False, id="bool"),
        pytest.param(" a ", str, " a ", id="str-untouched"),
    ],
)
def test_a_scalar_is_read(text: str, kind: type, value: object) -> None:
    read = read_scalar(text, kind)
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize("kind", [bool, int, float])
@given(text=st.one_of(st.sampled_from([*TRUE, *FALSE]), st.text(st.characters(exclude_characters='"'))))
def test_options_and_arguments_take_the_same_words(text: str, kind: type) -> None:
    try:
        expected = read_scalar(text, kind)
    except ValueError as error:
        for read in (as_option, as_argument):
            with pytest.raises(ValueError, match="expected") as caught:
                read(text, kind)
            assert str(error) in str(caught.value)
    else:
        for read in (as_option, as_argument):
            assert repr(read(text, kind)) == repr(expected)  # nan is not equal to itself


@pytest.mark.parametrize("text", [*TRUE, *FALSE])
def test_a_variable_takes_the_same_words(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_FLAG", text)
    assert factory_arguments(factory, {}) == {"flag": text in TRUE}


def test_a_long_text_is_cut_short() -> None:
    message = str(unlike("int", "9" * 5000))
    assert message == f"expected int, got '{'9' * 200}...'"
