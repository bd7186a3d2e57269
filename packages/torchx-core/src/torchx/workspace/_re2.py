"""Go's regular expressions (RE2 syntax) for Python's ``re``: the part that an ignore pattern can hold.

Docker turns a pattern into a Go regular expression and leaves some characters as they are (``{ } | ^``, classes,
letters after a backslash). To decide as Docker does, these must mean what they mean to Go.
"""

from __future__ import annotations

import re

_CONTROL = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PERL = {"d": "0-9", "s": r"\t\n\f\r ", "w": "0-9A-Za-z_"}
_ANCHORS = {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)"}
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_REPEAT = re.compile(r"\{(\d+)(,(\d*))?\}", re.ASCII)
_POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")
_MAX_REPEAT = 1000


class RegexError(ValueError):
    """Go would refuse the expression."""


def to_python(source: str) -> re.Pattern[str]:
    """Compiles a Go regular expression.

    Raises:
        RegexError: it is malformed, or asks for what Python's ``re`` can't do (``\\pN``).
    """
    out: list[str] = []
    at = 0
    while at < len(source):
        piece, at = _next(source, at)
        out.append(piece)
    try:
        return re.compile("".join(out))
    except (re.error, OverflowError) as e:
        raise RegexError(str(e)) from e


def _next(source: str, at: int) -> tuple[str, int]:
    """The Python form of the piece of ``source`` at ``at``, and where the next one starts."""
    char = source[at]
    if char == "\\":
        return _escape_outside(source, at)
    if char == "[":
        return _char_class(source, at)
    if char == "{":
        return _repeat(source, at)
    if char == "$":
        return r"\Z", at + 1
    # `(`, `)`, `?`, `.`, `*`, `|` and `^` mean the same to both; `]` and `}` alone are literals to both.
    return (char if char in "()?.*|^" else re.escape(char)), at + 1


def _repeat(source: str, at: int) -> tuple[str, int]:
    found = _REPEAT.match(source, at)
    if not found:
        return r"\{", at + 1  # Python would read `{,2}` as a repetition
    low, high = int(found[1]), int(found[3] or 0)
    if max(low, high) > _MAX_REPEAT or (found[3] and high < low):
        raise RegexError(f"invalid repeat count `{found[0]}`")
    return found[0], found.end()


def _escape_outside(source: str, at: int) -> tuple[str, int]:
    char = source[at + 1 : at + 2]
    if char in _ANCHORS and char:
        return _ANCHORS[char], at + 2
    if char.lower() in _PERL and char:
        return f"[{'^' if char.isupper() else ''}{_PERL[char.lower()]}]", at + 2
    if char == "Q":
        end = source.find(r"\E", at + 2)
        text = source[at + 2 :] if end < 0 else source[at + 2 : end]
        return re.escape(text), len(source) if end < 0 else end + 2
    literal, end = _escaped_char(source, at)
    return re.escape(literal), end


def _escaped_char(source: str, at: int) -> tuple[str, int]:
    """The one character that an escape stands for."""
    char = source[at + 1 : at + 2]
    if char in _CONTROL and char:
        return _CONTROL[char], at + 2
    if char and char in "01234567":
        digits = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}").match(source, at + 1)
        if digits:
            return chr(int(digits[0], 8)), digits.end()
    elif char == "x":
        digits = re.compile(r"x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})").match(source, at + 1)
        if digits and int(digits[1] or digits[2], 16) <= 0x10FFFF:
            return chr(int(digits[1] or digits[2], 16)), digits.end()
    elif char and char.isascii() and not char.isalnum():
        return char, at + 2
    raise RegexError(f"invalid escape `\\{char}`")


def _char_class(source: str, at: int) -> tuple[str, int]:
    out = ["["]
    at += 1
    if source.startswith("^", at):
        out.append("^")
        at += 1
    first = True
    while first or not source.startswith("]", at):
        if at >= len(source):
            raise RegexError("missing `]`")
        piece, at = _class_item(source, at)
        out.append(piece)
        first = False
    return "".join(out) + "]", at + 1


def _class_item(source: str, at: int) -> tuple[str, int]:
    """One class, character or range within brackets."""
    posix = _POSIX_CLASS.match(source, at)
    if posix:
        if posix[2] not in _POSIX:
            raise RegexError(f"invalid character class range `{posix[0]}`")
        return (_complement(_POSIX[posix[2]]) if posix[1] else _POSIX[posix[2]]), posix.end()
    letter = source[at + 1 : at + 2]
    if source[at] == "\\" and letter and letter.lower() in _PERL:
        ranges = _PERL[letter.lower()]
        return (_complement(ranges) if letter.isupper() else ranges), at + 2
    low, at = _class_char(source, at)
    high = low
    if source.startswith("-", at) and at + 1 < len(source) and source[at + 1] != "]":
        high, at = _class_char(source, at + 1)
        if high < low:
            raise RegexError(f"invalid character class range `{low}-{high}`")
    return (_code(low) if high == low else f"{_code(low)}-{_code(high)}"), at


def _class_char(source: str, at: int) -> tuple[str, int]:
    if at >= len(source):
        raise RegexError("missing `]`")
    return _escaped_char(source, at) if source[at] == "\\" else (source[at], at + 1)


def _code(char: str) -> str:
    return f"\\U{ord(char):08x}"


def _complement(ranges: str) -> str:
    """All characters that are not in an ASCII class, as ranges: a class within a class can't be negated in Python."""
    inside = re.compile(f"[{ranges}]")
    chars = "".join(_code(chr(c)) for c in range(128) if not inside.match(chr(c)))
    return chars + r"\x80-\U0010ffff"
