"""The grammar in which users write values of parameters."""

from __future__ import annotations

import enum
import inspect
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.util import types


class Color(enum.Enum):
    RED = "red"
    BLUE = 2


@pytest.mark.parametrize(
    ("text", "items"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("a", ["a"], id="one"),
        pytest.param("a,b=c,,d e", ["a", "b=c", "", "d e"], id="several"),
    ],
)
def test_a_list_is_split_at_commas(text: str, items: list[str]) -> None:
    assert types.to_list(text) == items


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        pytest.param("", {}, id="empty"),
        pytest.param("A=1,B=2", {"A": "1", "B": "2"}, id="commas"),
        pytest.param("A=1;B=2", {"A": "1", "B": "2"}, id="semicolons"),
        pytest.param("A=1, B=2", {"A": "1", "B": "2"}, id="space-after-separator"),
        pytest.param("A=,B=", {"A": "", "B": ""}, id="empty-values"),
        pytest.param(
            "NCCL_IB_HCA=mlx5_0:1,mlx5_1:1,B=2",
            {"NCCL_IB_HCA": "mlx5_0:1,mlx5_1:1", "B": "2"},
            id="comma-in-value",
        ),
        pytest.param("XLA_FLAGS=--a=1,--b=2", {"XLA_FLAGS": "--a=1,--b=2"}, id="flags-in-value"),
        pytest.param("U=http://h/?q=1,http://i/?q=2", {"U": "http://h/?q=1,http://i/?q=2"}, id="urls-in-value"),
        pytest.param("kueue.x-k8s.io/queue=a", {"kueue.x-k8s.io/queue": "a"}, id="label-key"),
        pytest.param("A==", {"A": "="}, id="equals-in-value"),
        pytest.param("A=x\ny", {"A": "x\ny"}, id="newline"),
    ],
)
def test_pairs_start_only_where_a_key_follows_a_separator(text: str, pairs: dict[str, str]) -> None:
    assert types.to_dict(text) == pairs


@pytest.mark.parametrize("text", ["A", "=1", ",A=1", "-A=1", "a b=1", ","])
def test_what_does_not_start_with_a_pair_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="expected KEY=VALUE") as caught:
        types.to_dict(text)
    assert repr(text) in str(caught.value)


@given(st.dictionaries(st.from_regex(r"\w[\w./-]*", fullmatch=True), st.text(st.characters(exclude_characters=",;"))))
def test_any_pairs_without_separators_in_values_come_back(pairs: dict[str, str]) -> None:
    text = ",".join(f"{key}={value}" for key, value in pairs.items())
    assert types.to_dict(text) == pairs


@given(st.dictionaries(st.text(), st.text()))
def test_any_pairs_come_back_from_json(pairs: dict[str, str]) -> None:
    assert types.convert(json.dumps(pairs), dict[str, str]) == pairs


@given(st.lists(st.text()))
def test_any_items_come_back_from_json(items: list[str]) -> None:
    assert types.convert(json.dumps(items), list[str]) == items


@pytest.mark.parametrize("text", ["true", "True", "1", "YES", "on", "t", "y"])
def test_words_for_true(text: str) -> None:
    assert types.convert(text, bool) is True


@pytest.mark.parametrize("text", ["false", "False", "0", "No", "OFF", "f", "n"])
def test_words_for_false(text: str) -> None:
    assert types.convert(text, bool) is False


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        pytest.param("7", int, 7, id="int"),
        pytest.param("-1", float, -1.0, id="float"),
        pytest.param(" x ", str, " x ", id="str-untouched"),
        pytest.param("5", Optional[int], 5, id="optional"),
        pytest.param(None, Optional[int], None, id="none"),
        pytest.param("5", Union[int, str], 5, id="union-first-arm"),
        pytest.param("x", Union[int, str], "x", id="union-second-arm"),
        pytest.param("1,2", list[int], [1, 2], id="list-of-int"),
        pytest.param("a=1", dict[str, int], {"a": 1}, id="dict-of-int"),
        pytest.param("[]", list[str], [], id="json-empty-list"),
        pytest.param("[a,b]", list[str], ["[a", "b]"], id="not-json"),
        pytest.param("a,b", list, ["a", "b"], id="bare-list"),
        pytest.param("a,b", Optional[list[str]], ["a", "b"], id="optional-list"),
        pytest.param("x", Annotated[str, "-x"], "x", id="annotated"),
        pytest.param("RED", Color, Color.RED, id="enum-name"),
        pytest.param("red", Color, Color.RED, id="enum-value"),
        pytest.param("2", Color, Color.BLUE, id="enum-int-value"),
        pytest.param("b", Literal["a", "b"], "b", id="literal"),
        pytest.param("2", Literal[1, 2], 2, id="literal-int"),
        pytest.param("a/b", Path, Path("a/b"), id="path"),
        pytest.param(3, float, 3.0, id="json-int-as-float"),
        pytest.param(3, str, "3", id="json-int-as-str"),
        pytest.param({"a": 1}, dict[str, str], {"a": "1"}, id="json-dict"),
        pytest.param([1, 2], list[int], [1, 2], id="json-list"),
        pytest.param(True, bool, True, id="json-bool"),
    ],
)
def test_a_value_becomes_the_parameters_type(value: object, annotation: Any, expected: object) -> None:
    converted = types.convert(value, annotation)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        pytest.param("x", int, id="int"),
        pytest.param("9" * 5000, int, id="int-beyond-the-limit-of-digits"),
        pytest.param("x", float, id="float"),
        pytest.param("maybe", bool, id="bool"),
        pytest.param("green", Color, id="enum"),
        pytest.param("c", Literal["a", "b"], id="literal"),
        pytest.param("1,x", list[int], id="list-item"),
        pytest.param("a", dict[str, str], id="dict"),
        pytest.param("x", Optional[int], id="optional"),
        pytest.param("x", Union[int, float], id="union"),
        pytest.param(None, int, id="none"),
        pytest.param(True, int, id="json-bool-as-int"),
        pytest.param(1.5, int, id="json-float-as-int"),
        pytest.param({"a": 1}, list[str], id="json-dict-as-list"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(value: object, annotation: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        types.convert(value, annotation)


@pytest.mark.parametrize("annotation", [bytes, object(), type("Custom", (), {})])
def test_a_type_that_cannot_be_written_is_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match="cannot be given on a command line"):
        types.convert("x", annotation)


def test_decode_leaves_what_is_not_a_container_alone() -> None:
    assert types.decode("1,2", list[str]) == ["1", "2"]
    assert types.decode("1,2", str) == "1,2"
    assert types.decode(["a"], list[str]) == ["a"]
    assert types.decode_from_string("1", int) is None
    assert types.decode_from_string("k=v", dict[str, str]) == {"k": "v"}


def test_questions_about_types() -> None:
    assert types.is_bool(bool)
    assert types.is_bool(Optional[bool])
    assert not types.is_bool(int)
    assert types.is_primitive(str)
    assert not types.is_primitive(list)
    assert types.decode_optional(Optional[int]) is int
    assert types.decode_optional(int) is int
    assert types.decode_optional(Union[int, str]) == Union[int, str]
    assert types.type_name(Optional[list[str]]) == "list[str] | None"


def test_the_argparse_type_of_a_parameter() -> None:
    def fn(a: int, b: bool, c: list[str], d: Optional[float], e: Color) -> None: ...

    def of(name: str) -> Any:
        signature = inspect.signature(fn, eval_str=True)
        return types.get_argparse_param_type(signature.parameters[name])

    assert of("a")("3") == 3
    assert of("b")("1") is True
    assert of("c")("a,b") == "a,b"
    assert of("d")("2.5") == 2.5
    assert of("e")("red") is Color.RED


def test_none_throws() -> None:
    assert types.none_throws(0) == 0
    with pytest.raises(AssertionError, match="no value"):
        types.none_throws(None, "no value")
