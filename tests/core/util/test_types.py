"""The documented conveniences for programs that read typed parameters."""

from __future__ import annotations

import argparse
import enum
import inspect
from typing import Any, Optional

import pytest

from torchx.util import types


class Color(enum.Enum):
    RED = "red"


def test_the_argparse_type_of_a_parameter() -> None:
    def fn(a: int, b: bool, c: list[str], d: Optional[float], e: Color, f: Optional[bool]) -> None: ...

    def of(name: str) -> Any:
        signature = inspect.signature(fn, eval_str=True)
        return types.get_argparse_param_type(signature.parameters[name])

    assert of("a")("3") == 3
    assert of("b")("1") is True
    assert of("f")("n") is False
    assert of("c")("a,b") == "a,b"
    assert of("d")("2.5") == 2.5
    assert of("e")("red") is Color.RED


def test_none_throws() -> None:
    assert types.none_throws(0) == 0
    with pytest.raises(AssertionError, match="no value"):
        types.none_throws(None, "no value")


def test_the_argparse_type_of_a_truth_value_is_called_bool(capsys: pytest.CaptureFixture[str]) -> None:
    parameter = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, annotation=bool)
    parser = argparse.ArgumentParser()
    parser.add_argument("--debug", type=types.get_argparse_param_type(parameter))
    with pytest.raises(SystemExit):
        parser.parse_args(["--debug", "perhaps"])
    assert "invalid bool value: 'perhaps'" in capsys.readouterr().err


def test_the_documented_names_are_there() -> None:
    assert set(types.__all__) == {
        "decode",
        "decode_from_string",
        "decode_optional",
        "get_argparse_param_type",
        "is_bool",
        "is_primitive",
        "none_throws",
        "to_dict",
        "to_list",
    }
    assert all(callable(getattr(types, name)) for name in types.__all__)
