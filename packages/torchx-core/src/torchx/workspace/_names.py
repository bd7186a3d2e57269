"""Many patterns for a last path segment, tested at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchx.workspace._re2 import to_python

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    #: ("name" | "suffix" | "prefix" | "regex", text): what a last path segment must be like; a regex is Go's.
    Segment = tuple[str, str]

#: Any name.
ANY: Segment = ("suffix", "")


class NameTest:
    """Tests names by several last segments at once: true where a name matches one of them.

    Args:
        segments: what names may be like.
        others: further tests, of the path that is made of ``prefix`` and the name.
        prefix: the path of the folder with a slash behind it.
    """

    __slots__ = ("_everything", "_marks", "_names", "_others", "_prefix", "_regex", "_starts", "_suffixes")

    def __init__(
        self, segments: Iterable[Segment], others: Sequence[Callable[[str], bool]] = (), prefix: str = ""
    ) -> None:
        found: dict[str, list[str]] = {"name": [], "suffix": [], "prefix": [], "regex": []}
        for kind, text in segments:
            found[kind].append(text)
        self._names = frozenset(found["name"])
        self._suffixes, self._starts = tuple(found["suffix"]), tuple(found["prefix"])
        self._everything = "" in self._suffixes or "" in self._starts
        sources = [to_python(source).pattern for source in found["regex"]]
        self._regex = re.compile("|".join(f"(?:{source})" for source in sources)) if sources else None
        #: Names with a slash before and after each contain one of these if one of them matches by more than equality.
        self._marks = [f"{suffix}/" for suffix in self._suffixes]
        self._marks += [f"/{start}" for start in (*self._starts, *map(_regex_head, found["regex"]))]
        self._others = others
        self._prefix = prefix

    def __call__(self, name: str) -> bool:
        if self._everything or name in self._names or name.endswith(self._suffixes) or name.startswith(self._starts):
            return True
        if self._regex is not None and self._regex.search(name):
            return True
        return any(test(self._prefix + name) for test in self._others)

    def among(self, names: list[str]) -> Collection[str]:
        """The names that match."""
        if self._everything:
            return names
        if self._others:
            return [name for name in names if self(name)]
        found = self._names.intersection(names) if self._names else frozenset()
        # Searching all names at once for what a match must contain takes a fraction of testing each.
        joined = f"/{'/'.join(names)}/"
        for mark in self._marks:
            if mark in joined:
                return [*found, *(name for name in names if name not in found and self(name))]
        return found


def _regex_head(source: str) -> str:
    """Literals that everything an expression from a simple segment matches starts with."""
    literals = re.match(r"\^((?:[0-9A-Za-z_ ~,-]|\\[.+()$])*)", source)
    return literals[1].replace("\\", "") if literals else ""


EVERYTHING = NameTest([ANY])
