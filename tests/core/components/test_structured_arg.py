"""Names and shapes of jobs, written in one string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.components.dist import get_role_name, parse_nnodes
from torchx.components.structured_arg import StructuredJArgument, StructuredNameArgument
from torchx.errors import UsageError


@pytest.mark.parametrize(
    ("name", "experiment", "run"),
    [
        ("/", "default-experiment", "train"),
        ("", "default-experiment", "train"),
        ("exp/", "exp", "train"),
        ("/run", "default-experiment", "run"),
        ("run", "default-experiment", "run"),
        ("exp/run", "exp", "run"),
    ],
)
def test_names(name: str, experiment: str, run: str) -> None:
    assert StructuredNameArgument.parse_from(name, script="a/train.py") == StructuredNameArgument(experiment, run)


def test_the_run_is_called_like_the_module_and_the_default_experiment_can_be_given() -> None:
    named = StructuredNameArgument.parse_from("/", m="my.pkg.train", default_experiment_name="mine")
    assert named == StructuredNameArgument("mine", "train")


def test_a_name_of_three_parts_is_refused() -> None:
    with pytest.raises(UsageError, match="'a/b/c'"):
        StructuredNameArgument.parse_from("a/b/c", script="train.py")


@pytest.mark.parametrize(
    ("script", "m", "name"),
    [
        ("train.py", None, "train"),
        ("a/b/train.v2.py", None, "train.v2"),
        ("a/train", None, "train"),
        (".hidden", None, ".hidden"),
        (None, "a.b.main", "main"),
        (None, "main", "main"),
    ],
)
def test_the_role_is_called_like_the_program(script: str | None, m: str | None, name: str) -> None:
    assert get_role_name(script, m) == name


def test_no_program_gives_no_role_name() -> None:
    with pytest.raises(ValueError, match="neither"):
        get_role_name(None, None)


@pytest.mark.parametrize(
    ("j", "expected"),
    [
        ("4", (1, 1, 4, "1")),
        ("2x8", (2, 2, 8, "2")),
        ("1:2x4", (1, 2, 4, "1:2")),
        ("2:2x4", (2, 2, 4, "2:2")),
        ("007x1", (7, 7, 1, "7")),
    ],
)
def test_shapes(j: str, expected: tuple[int, int, int, str]) -> None:
    assert parse_nnodes(j) == expected


MALFORMED = [
    "",
    "x",
    "2x",
    "x2",
    "0",
    "0x1",
    "1x0",
    "3:2x1",
    "0:2x1",
    "1:2",
    "-1",
    "1x-1",
    "1.5",
    "1x2x3",
    "2 x 2",
    "٣",
]


@pytest.mark.parametrize("j", MALFORMED)
def test_malformed_shapes_are_refused_by_name(j: str) -> None:
    with pytest.raises(ValueError, match="malformed") as caught:
        parse_nnodes(j)
    assert repr(j) in str(caught.value)
    assert isinstance(caught.value, UsageError)


@given(st.one_of(st.text(), st.from_regex(r"[0-9:x]*"), st.from_regex(r"\A([0-9]+:)?([0-9]+x)?[0-9]+\Z")))
def test_any_text_is_a_shape_or_is_refused_by_name(j: str) -> None:
    try:
        least, nodes, processes, rep = parse_nnodes(j)
    except UsageError as error:
        assert repr(j) in error.message
    else:
        assert 1 <= least <= nodes
        assert processes >= 1
        assert rep in (str(nodes), f"{least}:{nodes}")
        assert parse_nnodes(f"{rep}x{processes}")[:3] == (least, nodes, processes)


@pytest.mark.parametrize(
    ("h", "j", "shape"),
    [
        ("gpu.small", "2x8", (2, 8)),
        ("gpu.xlarge", "2", (2, 8)),
        ("gpu.medium", "1", (1, 2)),
        ("cpu.small", "3x1", (3, 1)),
    ],
)
def test_the_named_resource_tells_the_number_of_processes(h: str, j: str, shape: tuple[int, int]) -> None:
    argument = StructuredJArgument.parse_from(h, j)
    assert (argument.nnodes, argument.nproc_per_node) == shape
    assert str(argument) == "x".join(map(str, shape))


def test_without_gpus_the_number_of_processes_must_be_given() -> None:
    with pytest.raises(UsageError, match=r"cpu\.small") as caught:
        StructuredJArgument.parse_from("cpu.small", "2")
    assert "2xP" in (caught.value.hint or "")


@given(st.text())
def test_any_text_for_spmd_is_a_shape_or_is_refused_by_name(j: str) -> None:
    try:
        argument = StructuredJArgument.parse_from("gpu.small", j)
    except UsageError as error:
        assert repr(j) in error.message
    else:
        assert argument.nnodes >= 1
