"""The grammar in which users write values of parameters."""

from __future__ import annotations

import doctest
import enum
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.util import conversion


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
    assert conversion.to_list(text) == items


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
    assert conversion.to_dict(text) == pairs


@pytest.mark.parametrize("text", ["A", "=1", ",A=1", "-A=1", "a b=1", ","])
def test_what_does_not_start_with_a_pair_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="expected KEY=VALUE") as caught:
        conversion.to_dict(text)
    assert repr(text) in str(caught.value)


@given(st.dictionaries(st.from_regex(r"\w[\w./-]*", fullmatch=True), st.text(st.characters(exclude_characters=",;"))))
def test_any_pairs_without_separators_in_values_come_back(pairs: dict[str, str]) -> None:
    text = ",".join(f"{key}={value}" for key, value in pairs.items())
    assert conversion.to_dict(text) == pairs


@given(st.dictionaries(st.text(), st.text()))
def test_any_pairs_come_back_from_json(pairs: dict[str, str]) -> None:
    assert conversion.convert(json.dumps(pairs), dict[str, str]) == pairs


@given(st.lists(st.text()))
def test_any_items_come_back_from_json(items: list[str]) -> None:
    assert conversion.convert(json.dumps(items), list[str]) == items


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
    converted = conversion.convert(value, annotation)
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
        conversion.convert(value, annotation)


@pytest.mark.parametrize("annotation", [bytes, object(), type("Custom", (), {})])
def test_a_type_that_cannot_be_written_is_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match="cannot be given on a command line"):
        conversion.convert("x", annotation)


def test_decode_leaves_what_is_not_a_container_alone() -> None:
    assert conversion.decode("1,2", list[str]) == ["1", "2"]
    assert conversion.decode("1,2", str) == "1,2"
    assert conversion.decode(["a"], list[str]) == ["a"]
    assert conversion.decode_from_string("1", int) is None
    assert conversion.decode_from_string("k=v", dict[str, str]) == {"k": "v"}


def test_the_examples_of_the_docstrings() -> None:
    assert doctest.testmod(conversion).failed == 0
