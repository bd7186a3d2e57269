"""Docstrings and signatures as this project writes them, for Sphinx.

Results have no type in front of a colon (annotations have the types), so a colon there is part of the sentence.
Defaults that are made for each object show as ``...``. Cells of a notebook are shown as they are: their highlighting
takes the package that runs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pygments.lexers.special import TextLexer
from sphinx.ext.napoleon.docstring import GoogleDocstring

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def consume_result(self: Any, preprocess_types: bool = False) -> list[tuple[str, str, list[str]]]:
    """A ``Returns`` or ``Yields`` section, all of it the description."""
    lines = self._dedent(self._consume_to_next_section())
    return [("", "", lines)] if lines else []


def consume_attribute(self: Any) -> tuple[str, list[str]]:
    """The docstring of a property or attribute, all of it the description."""
    return "", self._dedent(self._consume_to_end())


def show_factories(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    return (signature.replace("<factory>", "...") if signature else signature), returns


def setup(app: Sphinx) -> dict[str, Any]:
    napoleon: Any = GoogleDocstring
    napoleon._consume_returns_section = consume_result
    napoleon._consume_inline_attribute = consume_attribute
    app.connect("autodoc-process-signature", show_factories)
    app.add_lexer("ipython", TextLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
