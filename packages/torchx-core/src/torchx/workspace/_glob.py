"""One ignore pattern: its syntax, and which paths it matches, as Docker decides.

Follows the behaviour of https://github.com/moby/patternmatcher, which Docker, BuildKit and Podman use.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from torchx.workspace._re2 import to_python

if TYPE_CHECKING:
    from collections.abc import Callable

#: What Go's ``strings.TrimSpace`` removes; Python's ``str.strip`` removes four control characters more.
_GO_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
#: Docker means to escape ``| { }`` too but does not (its table is too small for them), so they keep their meaning.
_ESCAPED = frozenset(".+()$")
#: Characters that make a pattern more than literals, ``*`` and ``?``.
_BEYOND_SIMPLE = frozenset("[]{}|^")
_PLAIN_CLASS = re.compile(r"(?<!\\)\[(?:[0-9A-Za-z_](?:-[0-9A-Za-z])?)+\]")
_ODD_ESCAPE = re.compile(r"\\(?![!-.:-@\[-`{-~ ])")
_MEANING = re.compile(r"[*?\\\[\]^}]")


class Glob(NamedTuple):
    """A cleaned pattern.

    Attributes:
        text: the pattern without ``!``, surrounding space and superfluous slashes.
        exception: it began with ``!``: what it matches is not ignored after all.
    """

    text: str
    exception: bool


def go_strip(text: str) -> str:
    """Removes surrounding white space, by Go's notion of it."""
    return text.strip(_GO_SPACE)


def clean_path(path: str) -> str:
    """The shortest equivalent path, as Go's ``filepath.Clean`` gives it."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned  # POSIX keeps two leading slashes, Go does not


def parse_line(line: str) -> Glob | None:
    """Parses one line of an ignore file, without its line end.

    Returns:
        None for a comment or an empty line.

    Raises:
        ValueError: the pattern is malformed.
    """
    if line.startswith("#"):
        return None
    text = go_strip(line)
    if not text:
        return None
    exception = text.startswith("!")
    text = go_strip(text[1:]) if exception else text
    if text:
        text = clean_path(text)
        text = text[1:] if len(text) > 1 and text.startswith("/") else text
    return _parse_cleaned("!" + text if exception else text)


def _parse_cleaned(text: str) -> Glob | None:
    # Docker cleans a second time when it compiles the list; `/!a` is an exception because of it.
    text = go_strip(text)
    if not text:
        return None
    text = clean_path(text)
    exception = text.startswith("!")
    if exception:
        text = text[1:]
        if not text:
            raise ValueError("`!` needs a pattern behind it")
    check_syntax(text)
    return Glob(text, exception)


def check_syntax(pattern: str) -> None:
    """Refuses what Docker refuses: it calls Go's ``filepath.Match(pattern, ".")`` and looks at the error alone.

    That function stops where the name can't match any more, so what comes after a ``*`` is often not looked at: the
    pattern is then as good as the regular expression that it makes.

    Raises:
        ValueError: says what is wrong.
    """
    rest = "."
    while pattern and ("[" in pattern or "\\" in pattern):
        star = pattern.startswith("*")
        chunk, pattern = _cut_chunk(pattern.lstrip("*"))
        if star and not chunk:
            return
        candidates = [rest, rest[1:]] if star and rest else [rest]
        for candidate in candidates:
            after = _match_chunk(chunk, candidate)
            if after is not None and (pattern or not after):
                rest = after
                break
        else:
            return


def _cut_chunk(pattern: str) -> tuple[str, str]:
    """The part up to the next ``*`` outside brackets, and what follows it."""
    at, in_class = 0, False
    while at < len(pattern) and (in_class or pattern[at] != "*"):
        if pattern[at] == "\\" and at + 1 < len(pattern):
            at += 1
        elif pattern[at] in "[]":
            in_class = pattern[at] == "["
        at += 1
    return pattern[:at], pattern[at:]


def _match_chunk(chunk: str, name: str) -> str | None:
    """What of ``name`` is left when ``chunk`` has matched its beginning; None where it does not."""
    left: str | None = name
    while chunk:
        left = left or None
        if chunk.startswith("["):
            matches, chunk = _match_class(chunk[1:], left)
        else:
            any_char = chunk.startswith("?")
            chunk = chunk.removeprefix("\\")
            if not chunk:
                raise ValueError("nothing follows the backslash at the end")
            matches, chunk = left is not None and (any_char or chunk[0] == left[0]), chunk[1:]
        left = left[1:] if left and matches else None
    return left


def _match_class(chunk: str, name: str | None) -> tuple[bool, str]:
    negated = chunk.startswith("^")
    chunk = chunk.removeprefix("^")
    found, first = False, True
    while first or not chunk.startswith("]"):
        low, chunk = _class_char(chunk)
        high = low
        if chunk.startswith("-"):
            high, chunk = _class_char(chunk[1:])
        found = found or (name is not None and low <= name[0] <= high)
        first = False
    return found != negated, chunk[1:]


def _class_char(chunk: str) -> tuple[str, str]:
    if chunk.startswith(("-", "]")):
        raise ValueError("a class in brackets is empty or has an incomplete range")
    chunk = chunk.removeprefix("\\")
    if len(chunk) < 2:
        raise ValueError("a `[` is not closed")
    return chunk[0], chunk[1:]


def is_simple(pattern: str) -> bool:
    """Whether the pattern consists of literals, ``*``, ``?``, escaped punctuation and plain classes only.

    No piece of such a pattern but ``**`` can match a slash.
    """
    if "[" in pattern:
        pattern = _PLAIN_CLASS.sub("x", pattern)
    return not _BEYOND_SIMPLE.intersection(pattern) and not _ODD_ESCAPE.search(pattern)


def literal_head(pattern: str) -> str:
    """Literals that everything the pattern matches starts with."""
    if "|" in pattern or "{" in pattern:  # `x{0}` and `x|y` do without what stands before them
        return ""
    return _MEANING.split(pattern, maxsplit=1)[0]


def compile_glob(pattern: str) -> tuple[str, str]:
    """How Docker matches a pattern.

    Returns:
        ``("exact", text)``, ``("prefix", text)``, ``("suffix", text)`` or ``("regex", source)`` with a Go regular
        expression; a suffix that starts with a slash also matches the path that equals the rest of it.
    """
    kind, source = "exact", "^"
    at = index = 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            at += 3 if pattern.startswith("/", at + 2) else 2
            if at < len(pattern):
                kind, source = "regex", source + "(.*/)?"
            elif kind == "exact":
                kind = "prefix"
            else:
                kind, source = "regex", source + ".*"
            kind = "suffix" if index == 0 else kind
        else:
            piece, width, literal = _piece(pattern, at)
            source, at = source + piece, at + width
            kind = kind if literal else "regex"
        index += 1
    return kind, {"exact": pattern, "prefix": pattern[:-2], "suffix": pattern[2:]}.get(kind, source + "$")


def _piece(pattern: str, at: int) -> tuple[str, int, bool]:
    """The expression for the character at ``at``, how much of the pattern it takes, and whether it is literal."""
    char = pattern[at]
    if char == "*":
        return "[^/]*", 1, False
    if char == "?":
        return "[^/]", 1, False
    if char == "\\":
        return pattern[at : at + 2], 2, False
    if char in _ESCAPED:
        return "\\" + char, 1, True
    return char, 1, char not in "[]"


def path_test(pattern: str) -> Callable[[str], bool]:
    """A function that says whether a path, relative to the workspace, matches the pattern.

    Raises:
        ValueError: the pattern makes no valid regular expression.
    """
    kind, value = compile_glob(pattern)
    if kind == "exact":
        return value.__eq__
    if kind == "prefix":
        return lambda path: path.startswith(value)
    if kind == "suffix":
        return lambda path: path.endswith(value) or (value.startswith("/") and path == value[1:])
    search = to_python(value).search
    return lambda path: search(path) is not None
