"""The checks of a component's source."""

from __future__ import annotations

import argparse
import ast
from typing import TYPE_CHECKING

import pytest

from torchx.specs.file_linter import (
    ArgTypeValidator,
    ComponentFnVisitor,
    ComponentFunctionValidator,
    LinterMessage,
    ReturnTypeValidator,
    TorchXArgumentHelpFormatter,
    get_fn_docstring,
    get_generic_type,
    get_optional_type,
    is_primitive,
    validate,
)

if TYPE_CHECKING:
    from pathlib import Path


def _function(source: str) -> ast.FunctionDef:
    node = ast.parse(source).body[-1]
    assert isinstance(node, ast.FunctionDef)
    return node


def _annotation(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize(
    "annotation",
    [
        "str",
        "int",
        "float",
        "bool",
        "list[str]",
        "List[int]",
        "typing.List[int]",
        "list",
        "dict[str, str]",
        "Dict[str, float]",
        "Optional[str]",
        "typing.Optional[dict[str, str]]",
        "str | None",
        "None | list[str]",
        "'str | None'",
        "Literal['a', 'b']",
        "Annotated[str, '-x']",
        "Annotated[Optional[int], '-x']",
    ],
)
@pytest.mark.parametrize("form", ["a: {}", "*a: {}", "*, a: {}", "a: {}, /"])
def test_supported_types(annotation: str, form: str) -> None:
    assert ArgTypeValidator().validate(_function(f"def f({form.format(annotation)}): ...")) == []


@pytest.mark.parametrize(
    "annotation",
    [
        "object",
        "bytes",
        "list[list[str]]",
        "dict[str]",
        "int | str",
        "Callable[[], int]",
        "'not valid'",
        "Color",
        "np.array",
    ],
)
@pytest.mark.parametrize("form", ["a: {}", "*a: {}", "*, a: {}", "a: {}, /"])
def test_unsupported_types_are_told(annotation: str, form: str) -> None:
    (message,) = ArgTypeValidator().validate(_function(f"def f({form.format(annotation)}): ..."))
    assert message.severity == "error"
    assert "`a`" in message.description


def test_every_parameter_is_told_with_its_place() -> None:
    messages = ArgTypeValidator().validate(_function("\ndef f(a,\n      b: str, *c, d, **e): ..."))
    assert [(m.line, m.char) for m in messages] == [(2, 6), (3, 18), (3, 15), (3, 23)]


@pytest.mark.parametrize("annotation", ["AppDef", "specs.AppDef", "torchx.specs.AppDef", "'AppDef'"])
def test_the_supported_return_type(annotation: str) -> None:
    assert ReturnTypeValidator("AppDef").validate(_function(f"def f() -> {annotation}: ...")) == []


@pytest.mark.parametrize("arrow", ["", " -> int", " -> None", " -> list[AppDef]"])
def test_another_return_type_is_told(arrow: str) -> None:
    (message,) = ReturnTypeValidator("AppDef").validate(_function(f"def f(){arrow}: ..."))
    assert "-> AppDef" in message.description


def test_the_helpers_on_annotations() -> None:
    assert is_primitive(_annotation("int"))
    assert not is_primitive(_annotation("list[int]"))
    assert ast.unparse(get_generic_type(_annotation("list[int]"))) == "list"
    assert ast.unparse(get_generic_type(_annotation("int"))) == "int"
    for text in ("Optional[int]", "int | None", "None | int"):
        optional = get_optional_type(_annotation(text))
        assert optional is not None
        assert ast.unparse(optional) == "int"
    assert get_optional_type(_annotation("int | str")) is None


def test_a_file_is_checked_without_running_it(tmp_path: Path) -> None:
    path = tmp_path / "component.py"
    path.write_text(
        "raise AssertionError\n"
        "class Color(Enum):\n    RED = 1\n"
        "if True:\n"
        "    def good(a: str, c: Color) -> AppDef: ...\n"
        "def bad(a) -> AppDef: ...\n"
        "class Job:\n"
        "    def __init__(self, a) -> None: ...\n"
        "    def build(self) -> int: ...\n"
        "def outer():\n    def inner(): ...\n"
    )
    assert validate(str(path), "good") == []
    assert [m.line for m in validate(str(path), "bad")] == [6]
    assert sorted(m.line for m in validate(str(path), "Job")) == [8, 9]
    assert [m.name for m in validate(str(path), "inner")] == ["not-found"]
    assert validate(str(path), "bad", []) == []
    with pytest.raises(FileNotFoundError):
        validate(str(tmp_path / "missing.py"), "f")


def test_own_validators_are_applied() -> None:
    class Short(ComponentFunctionValidator):
        def validate(self, app_specs_func_def: ast.FunctionDef) -> list[LinterMessage]:
            return [LinterMessage("short", app_specs_func_def.name, app_specs_func_def.lineno, 0)]

    visitor = ComponentFnVisitor("f", [Short()])
    visitor.visit(ast.parse("def f(): ...\ndef g(): ..."))
    assert visitor.linter_errors == [LinterMessage("short", "f", 1, 0, "error")]


def test_docstrings() -> None:
    def documented(a: str, b: int = 1, *c: str) -> None:
        """Short.

        Long
        lines.

        Args:
            a: about a
            c: the rest
        """

    def bare(a: str) -> None: ...

    description, parameters = get_fn_docstring(documented)
    assert description == "Short.\n\nLong\nlines."
    assert parameters == {"a": "about a", "b": " ", "c": "the rest"}
    description, parameters = get_fn_docstring(bare)
    assert "bare" in description
    assert parameters == {"a": " "}


def test_the_help_formatter_shows_types_and_defaults() -> None:
    parser = argparse.ArgumentParser(description="one\n  two", formatter_class=TorchXArgumentHelpFormatter)
    parser.add_argument("--count", type=int, default=3, help="how many")
    text = parser.format_help()
    assert "one\n  two" in text
    assert "--count int" in text
    assert "(default: 3)" in text
