"""A run of ignore patterns, compiled so that a folder's entries are tested by name, not by path and pattern.

Which patterns can match an entry depends mostly on its folder. :meth:`PatternSet.at` finds these once for a folder and
returns one test over names, most often a look-up in a set and an ``endswith`` of a tuple.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchx.workspace._glob import compile_glob, is_simple, literal_head, path_test
from torchx.workspace._names import ANY, NameTest
from torchx.workspace._re2 import to_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torchx.workspace._names import Segment

_ANY_ONE_LINE: Segment = ("regex", "^.*$")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class PatternSet:
    """Patterns of equal effect (all ignore, or all are exceptions): a path matches if one of them does.

    Args:
        patterns: cleaned patterns, without ``!``.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = list(patterns)
        self._everywhere: list[Segment] = []
        self._by_folder: dict[str, list[Segment]] = {}
        self._by_folder_regex: list[tuple[re.Pattern[str], Segment]] = []
        self._prefixes: list[str] = []
        self._others: list[Callable[[str], bool]] = []
        for pattern in self._patterns:
            self._add(pattern)
        self._everywhere_test = NameTest(self._everywhere)
        self._only_everywhere = not (self._by_folder_regex or self._prefixes or self._others)

    def at(self, folder: str) -> NameTest:
        """The test for the entries of a folder.

        Args:
            folder: relative to the workspace; empty for the workspace itself.
        """
        if "\n" in folder:  # `.` matches no newline: the short cuts do not hold
            return NameTest((), [path_test(pattern) for pattern in self._patterns], folder + "/")
        if self._only_everywhere and folder not in self._by_folder:
            return self._everywhere_test
        prefix = folder + "/" if folder else ""
        here = list(self._by_folder.get(folder, ()))
        for regex, segment in self._by_folder_regex:
            if regex.search(prefix):
                here.append(segment)
        for start in self._prefixes:
            if start[0] == prefix[:1] or not prefix:  # the quick way to most folders' answer
                here += _prefix_segments(start, prefix)
        if not here and not self._others:
            return self._everywhere_test
        return NameTest([*self._everywhere, *here], self._others, prefix)

    def may_match_below(self, folder: str) -> bool:
        """Whether something below a folder could match; never wrongly False."""
        prefix = folder + "/"
        return any(_may_match_below(pattern, prefix) for pattern in self._patterns)

    def _add(self, pattern: str) -> None:
        kind, value = compile_glob(pattern)
        folder, slash, name = value.rpartition("/")
        if kind == "exact":
            self._by_folder.setdefault(folder, []).append(("name", name))
        elif kind == "prefix":
            self._prefixes.append(value)
        elif kind == "suffix" and not folder:
            # `**/x` is a name anywhere, `**x` the end of a name anywhere.
            self._everywhere.append(("name", name) if slash else ("suffix", name))
        elif kind == "regex" and is_simple(pattern) and _stars_fill_segments(pattern):
            self._add_by_segments(pattern)
        else:
            self._others.append(path_test(pattern))

    def _add_by_segments(self, pattern: str) -> None:
        """A pattern whose last segment is matched by the name and the rest by the folder."""
        if pattern.endswith("/**"):
            self._by_folder_regex.append((to_python(compile_glob(pattern)[1]), _ANY_ONE_LINE))
            return
        cut = max(pattern.rfind("/"), pattern.rfind("**") + 1 if "**" in pattern else -1) + 1
        head, segment = pattern[:cut], _segment(pattern[cut:])
        if head in ("**/", "**"):
            self._everywhere.append(segment)
        elif not set("*?[\\").intersection(head):
            self._by_folder.setdefault(head[:-1], []).append(segment)
        else:
            self._by_folder_regex.append((to_python(_head_source(head)), segment))


def _head_source(head: str) -> str:
    """The Go expression for a folder with a slash behind it, from a pattern's part up to its last segment."""
    # A `?` stands in for the last segment, so that a `**/` before it is not taken for one at the end of the pattern;
    # what it translates to is cut off again.
    return compile_glob(head + "?")[1].removesuffix("[^/]$") + "$"


def _stars_fill_segments(pattern: str) -> bool:
    """Whether each ``**`` begins a segment, and the pattern's last one, if any, is a segment by itself."""
    return not re.search(r"[^/]\*\*", pattern) and not pattern.endswith("/**/**")


def _segment(text: str) -> Segment:
    if not set("\\?[").intersection(text) and text.count("*") == 1:
        if text == "*":
            return ANY
        if text.startswith("*"):
            return "suffix", text[1:]
        if text.endswith("*"):
            return "prefix", text[:-1]
    kind, value = compile_glob(text)
    if kind == "regex" and not set("*?[").intersection(_ESCAPE.sub("", text)):
        return "name", _ESCAPE.sub(r"\1", text)
    return ("name" if kind == "exact" else "regex"), value


def _prefix_segments(start: str, folder: str) -> list[Segment]:
    """What names in ``folder`` (with its slash) must be like so that their path starts with ``start``."""
    if folder.startswith(start):
        return [ANY]
    rest = start[len(folder) :]
    return [("prefix", rest)] if start.startswith(folder) and "/" not in rest else []


def _may_match_below(pattern: str, folder: str) -> bool:
    if "**" not in pattern and is_simple(pattern) and pattern.count("/") < folder.count("/"):
        return False
    head = literal_head(pattern)
    return head.startswith(folder) or (head != pattern and folder.startswith(head))
