"""What of a tree Docker keeps, by our rules and what is known of its versions.

The rules are the same everywhere; Docker's programs differ from them, and from each other, in this only:

- A walk enters an ignored folder for an exception's sake. Ours does where the exception could match below, and so does
  BuildKit today. The classic builder, and BuildKit before 23, do so only where the exception's text begins with the
  folder's path: ``*`` with ``!**/a`` keeps nothing but ``a`` there.
- BuildKit before 23 keeps every ignored folder that it entered, even where nothing below is kept. Elsewhere such a
  folder comes with what is kept below it, or not at all.
- Before 23, a pattern held below a folder that it matches only where that folder is as deep as the pattern has
  segments, which is not so for all that ``**`` matches; each path was decided for itself. And what means
  something in regular expressions, such as ``+`` and ``(``, was not taken literally. These were corrected in Docker.
- We refuse an ignore file with a malformed line. Docker does when it comes to ask that line about a path, which it
  does not where the line could change nothing, such as an exception where nothing is ignored.
- Classic clients always send ``.dockerignore`` and the Dockerfile; the engine leaves them out again before it copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchx.workspace._glob import path_test
from torchx.workspace.errors import IgnoreFileError
from torchx.workspace.ignore import parse_ignore_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchx.workspace.ignore import IgnoreRules

#: The first major version that decides as Docker does today.
CURRENT = 23
#: What a version before that did not take literally, at least in names.
NOT_LITERAL_BEFORE = frozenset("+()|{}^")


@dataclass(frozen=True)
class Reading:
    """How one of Docker's programs reads ignore rules; by default as we do.

    Attributes:
        current: it decides about paths as Docker does today.
        enters_by_text: it enters an ignored folder only where an exception's text begins with the folder's path.
        keeps_entered: it keeps the ignored folders that it entered.
    """

    current: bool = True
    enters_by_text: bool = False
    keeps_entered: bool = False

    def excludes(self, rules: IgnoreRules, path: str) -> bool:
        """Whether a path is ignored."""
        return rules.excludes(path) if self.current else _excluded_before(rules, path)

    def kept(self, rules: IgnoreRules, tree: Iterable[str]) -> set[str]:
        """The paths that are kept.

        Args:
            rules: the ignore file's.
            tree: paths, parents before children; a folder's ends with a slash.
        """
        kept: set[str] = set()
        closed: tuple[str, ...] = ()
        for path in tree:
            if path.startswith(closed):
                continue
            if not self.excludes(rules, path.rstrip("/")):
                kept.add(path)
            elif self.enters_by_text and path.endswith("/"):
                entered = any(glob.exception and f"{glob.text}/".startswith(path) for glob in rules.globs)
                kept |= {path} if entered and self.keeps_entered else set()
                closed += () if entered else (path,)
        return with_parents(kept)


def classic(major: int) -> Reading:
    """The reading of a client of that version, for the classic builder."""
    return Reading(current=major >= CURRENT, enters_by_text=True)


def buildkit(major: int) -> Reading:
    """The reading of BuildKit in an engine of that version."""
    return Reading() if major >= CURRENT else Reading(current=False, enters_by_text=True, keeps_entered=True)


def with_parents(paths: Iterable[str]) -> set[str]:
    """The paths and the folders that they are in."""
    found = set()
    for path in paths:
        found.add(path)
        parts = path.rstrip("/").split("/")
        found |= {"/".join(parts[:end]) + "/" for end in range(1, len(parts))}
    return found


def rules_without_malformed_lines(ignore: str) -> tuple[IgnoreRules, list[str]]:
    """The rules of an ignore file's well-formed lines, and the malformed ones."""
    lines = ignore.split("\n")
    malformed: list[str] = []
    while True:
        try:
            return parse_ignore_file("\n".join(lines).encode("utf-8", "surrogateescape"), "ignore"), malformed
        except IgnoreFileError as e:
            malformed.append(lines[e.line - 1])
            lines[e.line - 1] = ""


def _excluded_before(rules: IgnoreRules, path: str) -> bool:
    folders = path.split("/")[:-1]
    excluded = False
    for glob in rules.globs:
        matches = path_test(glob.text)
        depth = glob.text.count("/") + 1
        if matches(path) or (0 < depth <= len(folders) and matches("/".join(folders[:depth]))):
            excluded = not glob.exception
    return excluded
