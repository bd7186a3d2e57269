"""What annotations say, whoever made them."""

# ruff: noqa: UP006  (aliases of typing are among what is tested)

from __future__ import annotations

import collections.abc
import subprocess
import sys
import typing
from typing import Annotated, Any, Literal, Optional, Union

import pytest

from torchx.util import type_hints

Tag = Annotated[Optional[int], "--tag"]

ANY = [
    int,
    None,
    type(None),
    list,
    list[int],
    dict[str, int],
    int | None,
    int | str,
    collections.abc.Callable[[int], str],
    collections.abc.Mapping[str, int],
    Any,
    Optional[int],
    Union[int, str],
    Literal["a", 1],
    Annotated[int, "-n"],
    Tag,
    typing.List,
    typing.List[int],
    typing.Callable[[int], str],
    typing.TypeVar("T"),
]


@pytest.mark.parametrize("annotation", ANY, ids=str)
def test_origin_and_arguments_are_those_that_typing_tells(annotation: Any) -> None:
    assert type_hints.get_origin(annotation) is typing.get_origin(annotation)
    assert type_hints.get_args(annotation) == typing.get_args(annotation)


QUESTIONS = ("is_any", "is_literal", "is_union", "is_optional", "is_bool", "is_primitive")


@pytest.mark.parametrize(
    ("annotation", "true"),
    [
        (object, ["is_any"]),
        (Any, ["is_any"]),
        (Literal["a"], ["is_literal"]),
        (int | str, ["is_union"]),
        (Union[int, str], ["is_union"]),
        (int | None, ["is_union", "is_optional"]),
        (Optional[int], ["is_union", "is_optional"]),
        (Tag, ["is_optional"]),
        (None, ["is_optional"]),
        (type(None), ["is_optional"]),
        (bool, ["is_bool", "is_primitive"]),
        (bool | None, ["is_union", "is_optional", "is_bool"]),
        (Optional[bool], ["is_union", "is_optional", "is_bool"]),
        (Annotated[Optional[bool], "-b"], ["is_optional", "is_bool"]),
        (str, ["is_primitive"]),
        (int, ["is_primitive"]),
        (float, ["is_primitive"]),
        (list, []),
        (list[int], []),
        (Annotated[int, "-n"], []),
        ("int", []),
    ],
    ids=str,
)
def test_questions(annotation: Any, true: list[str]) -> None:
    assert [question for question in QUESTIONS if getattr(type_hints, question)(annotation)] == true


@pytest.mark.parametrize(
    ("annotation", "bare"),
    [
        pytest.param(Annotated[str, "-x"], str, id="annotated"),
        pytest.param(Tag, Optional[int], id="annotated-optional"),
        pytest.param(Optional[int], Optional[int], id="other"),
    ],
)
def test_what_is_annotated(annotation: Any, bare: Any) -> None:
    assert type_hints.strip_annotated(annotation) == bare


@pytest.mark.parametrize(
    ("annotation", "bare"),
    [
        pytest.param(Optional[int], int, id="typing"),
        pytest.param(int | None, int, id="built-in"),
        pytest.param(None | list[int], list[int], id="none-first"),
        pytest.param(int, int, id="not-optional"),
        pytest.param(Union[int, str], Union[int, str], id="union"),
        pytest.param(int | str | None, int | str | None, id="of-several"),
    ],
)
def test_what_is_optional(annotation: Any, bare: Any) -> None:
    assert type_hints.decode_optional(annotation) == bare


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (list, list),
        (list[int], list),
        (tuple[int, ...], list),
        (typing.List, list),
        (Optional[list[str]], list),
        (Annotated[list[str], "-l"], list),
        (collections.abc.Sequence[str], list),
        (dict[str, str], dict),
        (typing.Mapping[str, str], dict),
        (str, None),
        (bytes, None),
        (set[int], None),
        (list[int] | dict[str, int], None),
        (Any, None),
    ],
    ids=str,
)
def test_containers(annotation: Any, kind: type | None) -> None:
    assert type_hints.container(annotation) is kind


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (int, "int"),
        (list[str], "list[str]"),
        (Optional[list[str]], "list[str] | None"),
        (int | str, "int | str"),
        (Literal["a", "b"], "Literal['a', 'b']"),
        (Any, "Any"),
    ],
    ids=str,
)
def test_names(annotation: Any, name: str) -> None:
    assert type_hints.type_name(annotation) == name


ANSWERS = """
import sys
{first}
from torchx.util import type_hints as a
{second}
types = [int, bool, object, list[int], dict[str, int], int | None, bool | None, int | str, list[str] | None, {more}]
questions = [a.get_origin, a.get_args, a.is_any, a.is_literal, a.is_union, a.is_optional, a.is_bool, a.strip_annotated,
             a.decode_optional, a.container, a.type_name]
loaded = "typing" in sys.modules
answers = [[repr(ask(tp)) for ask in questions] for tp in types]
print(answers)
assert ("typing" in sys.modules) is loaded, "asking has imported typing"
"""


def answers(first: str = "", second: str = "", more: str = "") -> str:
    program = ANSWERS.format(first=first, second=second, more=more)
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_answers_do_not_depend_on_who_has_imported_typing() -> None:
    assert answers() == answers(first="import typing") == answers(second="import typing")


def test_answers_do_not_depend_on_when_typing_was_imported() -> None:
    statement = "from typing import Annotated, Any, List, Literal, Optional, Union"
    more = 'Annotated[int, "-n"], Any, List[int], Literal["a"], Optional[bool], Union[int, str]'
    assert answers(first=statement, more=more) == answers(second=statement, more=more)
