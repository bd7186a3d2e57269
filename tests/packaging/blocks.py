"""The code blocks of Markdown pages, and of docstrings.

A block whose first line is a comment with a file name, such as ``# train.py`` or ``# .torchxconfig``, is that file: it
is written before what stands below it is run.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|:{3,})(?P<info>[^`]*)$")
_FILE = re.compile(r"^(?:#|//) (?P<path>[\w./-]*\.[\w]+|Dockerfile[\w.]*)$")

_DIRECTIVE = re.compile(r"^(?P<indent> *)(?:\.\. code-block:: (?P<language>[\w-]+)|(?!\.\. ).*::)$")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        line: the line of its first line of text, from 1.
        language: what stands behind the opening fence; for ``{code-block} python`` it is ``python``, for any other
            directive its name in braces.
        text: its text, without the indentation of the fence.
        path: the file that it is, None where it is none.
    """

    line: int
    language: str
    text: str
    path: str | None


def read_blocks(page: Path) -> list[Block]:
    """All blocks of a page, in their order."""
    blocks: list[Block] = []
    lines = page.read_text().splitlines()
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        number += 1
        if opening is None or opening["marks"][0] == ":":
            continue
        start = number
        closing = re.compile(rf"^ *`{{{len(opening['marks'])},}}\s*$")
        while number < len(lines) and not closing.match(lines[number]):
            number += 1
        text = textwrap.dedent("\n".join(lines[start:number])) + "\n"
        number += 1
        blocks.append(_block(start + 1, opening["info"].strip(), text))
    return blocks


def _block(line: int, info: str, text: str) -> Block:
    language = info
    if info.startswith("{code-block}"):
        language = info.removeprefix("{code-block}").strip()
    elif info.startswith("{"):
        language = info.partition("}")[0] + "}"
    first, _, rest = text.partition("\n")
    named = _FILE.match(first) if not language.startswith("{") else None
    if named and language == "json":
        text = rest  # JSON has no comments: the file's name is only on the page
    return Block(line, language, text, named["path"] if named else None)


def read_docstring_blocks(source: Path) -> list[Block]:
    """The blocks in the docstrings of a Python file, in their order; what follows a bare ``::`` is ``literal``."""
    found: list[Block] = []
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(
            node
        ):
            begin = node.body[0].lineno
            lines = inspect.cleandoc(ast.get_docstring(node, clean=False) or "").splitlines()
            found += [Block(begin + at, language, text, None) for at, language, text in _rst_blocks(lines)]
    return sorted(found, key=lambda block: block.line)


def _rst_blocks(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """The index of the first line of each block, its language and its text."""
    for number, line in enumerate(lines):
        opening = _DIRECTIVE.match(line)
        if opening is None:
            continue
        start = end = number + 2
        while end < len(lines) and (not lines[end].strip() or lines[end].startswith(f"{opening['indent']}  ")):
            end += 1
        text = textwrap.dedent("\n".join(lines[start:end])).strip("\n") + "\n"
        yield start, opening["language"] or "literal", text
