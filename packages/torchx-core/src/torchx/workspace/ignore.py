"""Which files of a workspace are left out: the rules of ``.dockerignore``, for any ignore file.

The rules, in short: one pattern a line, relative to the workspace's root (a leading ``/`` changes nothing); ``*`` and
``?`` stop at slashes, ``**`` does not; a pattern that matches a folder matches all below it; ``!`` makes an exception,
below ignored folders too; the last pattern that matches decides; ``#`` starts a comment only where a line begins.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from torchx.workspace._glob import is_simple, parse_line, path_test
from torchx.workspace._names import EVERYTHING
from torchx.workspace._patterns import PatternSet
from torchx.workspace.errors import IgnoreFileError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from torchx.workspace._glob import Glob

_BOM = b"\xef\xbb\xbf"


class IgnoreRules:
    """The compiled patterns of one ignore file.

    Consecutive patterns of the same kind (all ordinary, or all exceptions) have the same effect wherever one of them
    matches, so they are kept and tested as one set.

    Args:
        globs: the patterns in the order of the file.

    Attributes:
        globs: the same.
    """

    def __init__(self, globs: Iterable[Glob] = ()) -> None:
        self.globs = tuple(globs)
        groups = groupby(self.globs, key=lambda glob: glob.exception)
        self.sets = [(exception, PatternSet(glob.text for glob in group)) for exception, group in groups]

    def root(self) -> FolderRules:
        """The rules at the workspace's root, where a walk starts."""
        return FolderRules(self, "", excluded=False, inherited=(False,) * len(self.sets))

    def excludes(self, path: str) -> bool:
        """Whether one path is left out; a walk uses :meth:`root` instead, which is much faster.

        Args:
            path: relative to the workspace, with ``/`` between segments.
        """
        rules = self.root()
        for name in path.split("/"):
            rules = rules.enter(name)
        return rules.excluded


class FolderRules:
    """The rules as they apply to the entries of one folder.

    Attributes:
        folder: its path relative to the workspace; empty for the workspace itself.
        excluded: the folder itself is left out; entries below may still be kept by an exception.
    """

    __slots__ = ("_rules", "_tests", "excluded", "folder")

    def __init__(self, rules: IgnoreRules, folder: str, *, excluded: bool, inherited: tuple[bool, ...]) -> None:
        self._rules = rules
        self.folder = folder
        self.excluded = excluded
        # For each set of patterns: are they exceptions, do they match the folder itself, and the test of its entries.
        self._tests = [
            (exception, matched, EVERYTHING if matched else patterns.at(folder))
            for (exception, patterns), matched in zip(rules.sets, inherited, strict=True)
        ]

    def ignored(self, name: str) -> bool:
        """Whether the entry of that name is left out."""
        excluded = False
        for exception, matched, test in self._tests:
            if matched or (exception == excluded and test(name)):
                excluded = not exception
        return excluded

    def ignored_among(self, names: list[str]) -> Collection[str]:
        """Those of a folder's entries that are left out; the same as asking :meth:`ignored` of each, but faster."""
        if not self._tests:
            return ()
        candidates: list[str] = []
        for exception, _, test in self._tests:
            if not exception:
                candidates += test.among(names)
        if len(self._tests) == 1 or not candidates:
            return candidates
        return {name for name in candidates if self.ignored(name)}

    def enter(self, name: str) -> FolderRules:
        """The rules for the entries of a subfolder."""
        matches = []
        excluded = False
        for exception, matched, test in self._tests:
            # A set that could change nothing is not asked, and what was not asked does not hold for what is below.
            match = matched or (exception == excluded and test(name))
            matches.append(match)
            excluded = (not exception) if match else excluded
        folder = f"{self.folder}/{name}" if self.folder else name
        return FolderRules(self._rules, folder, excluded=excluded, inherited=tuple(matches))

    @property
    def prunable(self) -> bool:
        """Whether nothing in the folder can be kept, so that a walk need not enter it."""
        return self.excluded and not any(
            exception and patterns.may_match_below(self.folder) for exception, patterns in self._rules.sets
        )


def parse_ignore_file(content: bytes, path: str) -> IgnoreRules:
    """Compiles the content of an ignore file.

    Args:
        content: the file's bytes; a UTF-8 byte order mark is skipped, ``\\r\\n`` ends a line too.
        path: the file's name, for messages.

    Raises:
        IgnoreFileError: a line is not a valid pattern.
    """
    globs = []
    lines = content.removeprefix(_BOM).split(b"\n")
    for number, line in enumerate(lines, start=1):
        text = line.removesuffix(b"\r").decode("utf-8", "surrogateescape")
        try:
            glob = parse_line(text)
            if glob is not None and ("[" in glob.text or not is_simple(glob.text)):
                path_test(glob.text)  # what is not simple may make no valid expression
        except ValueError as e:
            raise IgnoreFileError(path, number, text, str(e)) from e
        if glob is not None:
            globs.append(glob)
    return IgnoreRules(globs)
