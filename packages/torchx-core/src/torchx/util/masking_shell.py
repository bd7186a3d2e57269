"""Splits code into words as a shell does, and knows where in the code each character of a word stands."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchx.util.masking_spans import Span

# A quote that is never closed reaches to the end: rather too much belongs to a word than too little.
_TOKENS = r"""
      (?P<blank>(?:\s|\\\n)+)
    | (?P<plain>(?:[^\s"'\\$]|\$(?!'))+)
    | \$'(?P<ansi>(?:\\.|[^'\\])*)(?:'|\\?\Z)
    | '(?P<single>%s)(?:'|\\?\Z)
    | "(?P<double>(?:\\.|[^"\\])*)(?:"|\\?\Z)
    | \\(?P<escaped>.)
    | (?P<rest>.)
"""
_SHELL = re.compile(_TOKENS % r"[^']*", re.VERBOSE | re.DOTALL)
_LITERALS = re.compile(_TOKENS % r"(?:\\.|[^'\\])*", re.VERBOSE | re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SHELL_ESCAPES = frozenset('$`"\\\n')
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}
_QUOTED = ("ansi", "single", "double", "escaped")
_AFTER_QUOTES = ",;:)]}&|"
"""What ends a word behind a closing quote: so the strings of JSON and of Python's literals are words, too."""


class Word:
    """One word, without its quotes.

    Attributes:
        text: the word.
        quoted: whether anything of it was quoted.
    """

    __slots__ = ("_ends", "_parts", "_starts", "quoted")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.quoted = False

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def add(self, text: str, at: int) -> None:
        """Appends what stands in the code as it is."""
        self._parts.append(text)
        self._starts.extend(range(at, at + len(text)))
        self._ends.extend(range(at + 1, at + len(text) + 1))

    def add_escape(self, text: str, at: int) -> None:
        """Appends a character that a backslash stands before."""
        self._parts.append(text)
        self._starts.append(at)
        self._ends.append(at + 2)

    def in_code(self, span: Span) -> Span:
        """A part of the word as the part of the code that it comes from."""
        start, end, value = span
        return (self._starts[start], self._ends[end - 1], value) if start < end else (0, 0, value)


def commands(code: str) -> Iterator[list[Word]]:
    """The words of each line, as a shell reads them, and if that differs as Python and JSON read their literals."""
    yield from _split(code, _SHELL)
    if "\\" in code:
        yield from _split(code, _LITERALS)


def _split(code: str, tokens: re.Pattern[str]) -> list[list[Word]]:
    words: list[Word] = []
    lines = [words]
    word: Word | None = None
    after_quotes = False
    for token in tokens.finditer(code):
        kind = str(token.lastgroup)
        text, at = token[kind], token.start(kind)
        if after_quotes and kind == "plain" and text[0] in _AFTER_QUOTES:
            word = None
            text = text.lstrip(_AFTER_QUOTES)
            at = token.end() - len(text)
        after_quotes = kind in _QUOTED and kind != "escaped"
        if kind == "blank" and "\n" in text.replace("\\\n", ""):
            words = []
            lines.append(words)
        if kind == "blank" or (not text and not after_quotes):
            word = None
            continue
        if word is None:
            word = Word()
            words.append(word)
        word.quoted = word.quoted or kind in _QUOTED
        _add(word, kind, text, at, tokens is _SHELL)
    return lines


def _add(word: Word, kind: str, text: str, at: int, shell: bool) -> None:
    if kind == "escaped":
        word.add_escape(text, at - 1)
        return
    if kind not in _QUOTED or (kind == "single" and shell):
        word.add(text, at)
        return
    done = 0
    for escape in _ESCAPE.finditer(text):
        if kind == "double" and shell and escape[1] not in _SHELL_ESCAPES:
            continue
        word.add(text[done : escape.start()], at + done)
        in_shell = kind == "double" and shell
        word.add_escape(escape[1] if in_shell else _CONTROLS.get(escape[1], escape[1]), at + escape.start())
        done = escape.end()
    word.add(text[done:], at + done)
