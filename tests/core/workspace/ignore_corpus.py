"""A generated corpus of ignore files and trees, to compare our decisions with another implementation's.

``cases(count, seed)`` is deterministic. Each case is an ignore file's text and a tree: paths of folders (with a slash
at the end) and files, parents first. Names and patterns are drawn from the same few words, so that patterns hit.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORDS = [
    "a",
    "b",
    "ab",
    "abc",
    "data",
    "src",
    "x.py",
    "x.pyc",
    ".git",
    "foo",
    "foo.bar",
    "bar",
    "c+d",
    "e f",
    "é",
    "(g)",
]
HOSTILE_WORDS = [
    "#h",
    "!i",
    "[j]",
    "k{2}",
    "l|m",
    "n^",
    "*",
    "?",
    "\\",
    "o\\p",
    "$q",
    "~",
    "-r",
    "..s",
    "t.",
    "kk",
    "日本",
]
PIECES = [
    "*",
    "?",
    "**",
    "a",
    "b",
    "foo",
    ".",
    "ab",
    "*.py",
    "*.pyc",
    "x.*",
    "?b",
    "[ab]",
    "[^a]",
    "[a-c]*",
    "f*",
    "*r",
]
HOSTILE_PIECES = [
    "\\*", "\\?", "\\[j\\]", "\\!i", "\\#h", "[!a]", "[]", "[a", "a]", "[a-]", "[-a]", "[z-a]", "\\", "k{2}",
    "{a,b}", "l|m", "a|b*", "^a", "n^", "n^*", "[^/]", "[*]", "[?]x", "[.]", "\\d", "\\w*", "\\q", "(g)", "(g*)",
    "c+d", "+*", "$q", "$*", "[\\]]", "[[:alpha:]]", "***", "****", "**a", "a**", "a**b", "*{2}", "k{,2}*", "k{1}*",
    "日*", "[é]", "\\.", "e f", "\\ ", "x\\.py", "~*",
]  # fmt: skip


class Case(NamedTuple):
    """An ignore file and a tree.

    Attributes:
        ignore: text of the ignore file.
        tree: relative paths, parents before children; a folder's ends with a slash.
    """

    ignore: str
    tree: list[str]


def cases(count: int, seed: int = 0, *, hostile: float = 0.15) -> Iterator[Case]:
    """Generates cases.

    Args:
        count: how many.
        seed: the same seed gives the same cases.
        hostile: the share of odd names and pattern pieces, 0 to 1.
    """
    rng = random.Random(seed)
    for _ in range(count):
        share = hostile if rng.random() < 0.7 else 0.0
        yield Case(_ignore_file(rng, share), _tree(rng, share))


def write_tree(case: Case, root: Path, ignore_name: str) -> None:
    """Makes a case's tree and ignore file on disk; each file holds its own path.

    Args:
        case: the case.
        root: an empty folder.
        ignore_name: name of the ignore file, such as ``.dockerignore``.
    """
    for path in case.tree:
        if path.endswith("/"):
            (root / path).mkdir()
        else:
            (root / path).write_text(path)
    (root / ignore_name).write_bytes(case.ignore.encode())


def kept_paths(root: Path, ignore_name: str) -> set[str]:
    """What our walk keeps of a tree on disk, written as in :class:`Case`, without the ignore file itself.

    For comparison with the content of an image built by ``FROM scratch`` and ``COPY . /`` in the same folder.
    """
    from torchx.workspace.walk import read_rules, walk_folders

    kept = set()
    for folder in walk_folders(str(root), read_rules(str(root), ignore_name)):
        prefix = folder.rel + "/" if folder.rel else ""
        kept |= {prefix} if prefix else set()
        kept |= {prefix + name for name in folder.files}
    return kept - {ignore_name}


def _tree(rng: random.Random, hostile: float) -> list[str]:
    tree: dict[str, None] = {}
    for _ in range(rng.randrange(4, 24)):
        depth = rng.choice((1, 1, 2, 2, 3, 4))
        parts = [_word(rng, hostile) for _ in range(depth)]
        for end in range(1, depth):
            folder = "/".join(parts[:end])
            if folder in tree:
                break
            tree[folder + "/"] = None
        else:
            path = "/".join(parts)
            if path not in tree and path + "/" not in tree:
                tree[path + ("/" if rng.random() < 0.15 else "")] = None
    return sorted(tree)


def _word(rng: random.Random, hostile: float) -> str:
    return rng.choice(HOSTILE_WORDS if rng.random() < hostile else WORDS)


def _ignore_file(rng: random.Random, hostile: float) -> str:
    lines = [_line(rng, hostile) for _ in range(rng.choice((1, 1, 2, 3, 4, 6, 10)))]
    return rng.choice(("\n", "\n", "\n", "\r\n")).join(lines) + rng.choice(("\n", ""))


def _line(rng: random.Random, hostile: float) -> str:
    if rng.random() < 0.05:
        return rng.choice(("", "  ", "# comment", "#", " # not a comment", "\t"))
    text = "/".join(_segment(rng, hostile) for _ in range(rng.choice((1, 1, 1, 2, 2, 3))))
    text = rng.choice(("", "", "", "", "/", "./", "**/", "**/", " ", "//", "../", "a/../")) + text
    text += rng.choice(("", "", "", "", "/", "/**", "/*", " ", "/.", "//"))
    return rng.choice(("", "", "", "!", "!", "! ", "!!", "!/") if rng.random() < 0.6 else ("",)) + text


def _segment(rng: random.Random, hostile: float) -> str:
    if rng.random() < 0.55:
        return _word(rng, hostile)
    pool = HOSTILE_PIECES if rng.random() < hostile else PIECES
    return "".join(rng.choice(pool) for _ in range(rng.choice((1, 1, 1, 2))))
