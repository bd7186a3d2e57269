"""The rules of ignore files, against Docker's own decisions and against a slow but simple reading of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchx.workspace._glob import path_test
from torchx.workspace._patterns import PatternSet
from torchx.workspace.errors import IgnoreFileError
from torchx.workspace.ignore import IgnoreRules, parse_ignore_file

DECISIONS = [
    json.loads(line) for line in Path(__file__).with_name("docker_decisions.jsonl").read_text("utf-8").splitlines()
]  # made with github.com/moby/patternmatcher v0.6.1; null: it refuses the file


def rules(*lines: str) -> IgnoreRules:
    return parse_ignore_file("\n".join(lines).encode("utf-8", "surrogateescape"), "ignore")


def test_the_corpus_is_not_trivial() -> None:
    excluded = sum(len(case["excluded"] or ()) for case in DECISIONS)
    paths = sum(len(case["tree"]) for case in DECISIONS)
    assert len(DECISIONS) > 300
    assert 0.1 < excluded / paths < 0.5
    assert sum(case["excluded"] is None for case in DECISIONS) > 20


@pytest.mark.parametrize("case", DECISIONS, ids=range(len(DECISIONS)))
def test_decides_as_docker_does(case: dict[str, object]) -> None:
    ignore, tree, excluded = case["ignore"], case["tree"], case["excluded"]
    assert isinstance(ignore, str) and isinstance(tree, list)
    if excluded is None:
        with pytest.raises(IgnoreFileError):
            parse_ignore_file(ignore.encode(), "ignore")
        return
    found = parse_ignore_file(ignore.encode(), "ignore")
    assert [path for path in tree if found.excludes(path.rstrip("/"))] == excluded


@pytest.mark.parametrize(
    ("lines", "out", "kept"),
    [
        (["data/"], ["data", "data/x", "data/a/b"], ["pkg/data", "database"]),
        (["/data"], ["data/x"], ["pkg/data"]),
        (["*.csv"], ["a.csv"], ["data/a.csv", "a.csv.gz"]),
        (["**/*.csv"], ["a.csv", "d/a.csv", "d/e/a.csv"], ["a.csvx"]),
        (["**/__pycache__"], ["__pycache__/x", "a/b/__pycache__", "a/b/__pycache__/m.pyc"], ["a/__pycache__x"]),
        (["data", "!data/config.yaml"], ["data/x", "data/sub/config.yaml"], ["data/config.yaml"]),
        (["a", "!a/b", "a/b/c"], ["a/x", "a/b/c", "a/b/c/d"], ["a/b", "a/b/d"]),
        (["*", "!src", "src/*.o"], ["x", "src/a.o"], ["src", "src/a.c", "src/d/a.o"]),
        (["**", "!**/keep.txt"], ["a", "a/b"], ["keep.txt", "a/b/keep.txt"]),
        (["# comment", " # no comment", "a#b", "#c"], ["# no comment", "a#b"], ["# comment", "#c"]),
        (["\\#c", "\\!d", "e\\*"], ["#c", "!d", "e*"], ["ef", "c"]),
        (["a?c"], ["abc"], ["a/c", "ac"]),
        (["[a-c]x", "[^d]y"], ["ax", "cx", "ey"], ["dx", "dy"]),
        (["foo/**"], ["foo/x", "foo/a/b"], ["foo", "foox"]),
        (["foo/**/bar"], ["foo/bar", "foo/a/b/bar"], ["foobar", "foo/barx"]),
        (["a/*/c*"], ["a/b/cd", "a/b/c"], ["a/c", "a/b/d/c"]),
        (["**/a/b"], ["a/b", "x/a/b", "x/a/b/c"], ["a/x/b", "xa/b"]),
        (["./x", "y/../z", "w//v/"], ["x", "z", "w/v"], ["y"]),
        (["."], [], ["a", "a/b"]),
        (["/"], [], ["a"]),
        (["../a"], [], ["a"]),
        (["a b", "c ", "\td"], ["a b", "c", "d"], ["a"]),
        (["", "  "], [], ["a", " "]),
        (["**/é*"], ["é", "a/été/x", "a/éa"], ["e"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_documented_rules(lines: list[str], out: list[str], kept: list[str]) -> None:
    found = rules(*lines)
    assert [path for path in out + kept if found.excludes(path)] == [path for path in out if path in out]


def test_byte_order_mark_and_crlf() -> None:
    found = parse_ignore_file(b"\xef\xbb\xbfa\r\nb\r\n\r\n!a/c\r", "ignore")
    assert [path for path in ("a", "b", "a/c", "c") if found.excludes(path)] == ["a", "b"]


def test_names_that_are_no_utf8() -> None:
    name = b"x\xff".decode("utf-8", "surrogateescape")
    assert parse_ignore_file(b"x\xff\n", "ignore").excludes(name)
    assert parse_ignore_file(b"?\xff\n**/a*\n", "ignore").excludes(f"d/{name}") is False
    assert rules("x?").excludes(name)


def test_newlines_in_names() -> None:
    assert rules("**/*.pyc").excludes("a/b\n.pyc")
    assert rules("a?b").excludes("a\nb")
    assert not rules("**/*.pyc").excludes("a\nb/c.pyc")  # as Docker: `.*` matches no newline
    assert rules("**/c.pyc").excludes("a\nb/c.pyc")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[", "not closed"),
        ("a[b", "not closed"),
        ("a\\", "backslash"),
        ("!", "needs a pattern"),
        ("! ", "needs a pattern"),
        ("[]", "empty"),
        ("[a-]", "incomplete"),
        ("[z-a]", "z-a"),
        ("x*[", "missing"),
        ("\\q", "escape"),
        ("a{2}{3}*", "repeat"),
        ("a{1001}*", "repeat"),
        ("[[:nope:]]*", "nope"),
    ],
)
def test_a_malformed_line_is_named(line: str, reason: str) -> None:
    with pytest.raises(IgnoreFileError) as caught:
        parse_ignore_file(f"# fine\nok\n{line}\nok2\n".encode(), "ws/.torchxignore")
    assert caught.value.line == 3
    assert str(caught.value).startswith(f"ws/.torchxignore:3: invalid pattern `{line}`: ")
    assert reason in str(caught.value)
    assert caught.value.exit_code == 2


def slowly(globs: IgnoreRules, path: str) -> bool:
    """Docker's procedure, pattern by pattern: what matched a folder holds below it, and what was not asked does not."""
    parts = path.split("/")
    held = [False] * len(globs.globs)
    excluded = False
    for end in range(1, len(parts) + 1):
        excluded = False
        for index, glob in enumerate(globs.globs):
            asked = held[index] or glob.exception == excluded
            held[index] = asked and (held[index] or path_test(glob.text)("/".join(parts[:end])))
            excluded = (not glob.exception) if held[index] else excluded
    return excluded


def test_what_was_not_asked_about_a_folder_does_not_hold_below_it() -> None:
    assert not rules("a", "!a/a", "a").excludes("a/a")  # surprising, but so does Docker


words = st.sampled_from(["a", "b", "ab", ".git", "x.py", "x.pyc", "data", "c\nd", "e f", "é"])
paths = st.lists(words, min_size=1, max_size=5).map("/".join)
pieces = st.sampled_from(
    ["*", "?", "**", "a", "b", "*.py", "*.pyc", "x.*", "[ab]", "[^a]", "\\a*"[1:], "a|b*", "\\.", "d"]
)
segments = st.one_of(words.filter(lambda word: "\n" not in word), st.lists(pieces, min_size=1, max_size=2).map("".join))
patterns = st.lists(segments, min_size=1, max_size=4).map("/".join)
lines = st.tuples(st.sampled_from(["", "", "!"]), st.sampled_from(["", "", "**/", "/"]), patterns).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.lists(lines, max_size=8), st.lists(paths, min_size=1, max_size=8))
def test_the_fast_tests_agree_with_the_simple_reading(ignore: list[str], tried: list[str]) -> None:
    try:
        found = rules(*ignore)
    except IgnoreFileError:
        return
    for path in tried:
        folder, _, name = path.rpartition("/")
        for exception, patterns in found.sets:
            texts = [glob.text for glob in found.globs if glob.exception == exception]
            if len(found.sets) <= 2:
                assert patterns.at(folder)(name) == any(path_test(text)(path) for text in texts)
        assert found.excludes(path) == slowly(found, path)
    names = ["a", "b", "ab", ".git", "x.py", "x.pyc", "c\nd"]
    for folder in ("", "a", "a/b", "c\nd"):
        here = found.root()
        for part in folder.split("/") if folder else ():
            here = here.enter(part)
        assert sorted(here.ignored_among(names)) == sorted(name for name in names if here.ignored(name))


@settings(max_examples=300, deadline=None)
@given(st.lists(lines, max_size=6), paths, st.lists(words, min_size=1, max_size=3).map("/".join))
def test_nothing_is_kept_below_a_pruned_folder(ignore: list[str], folder: str, below: str) -> None:
    try:
        found = rules(*ignore)
    except IgnoreFileError:
        return
    here = found.root()
    for name in folder.split("/"):
        here = here.enter(name)
    if here.prunable:
        assert found.excludes(f"{folder}/{below}")


def test_a_walk_enters_an_ignored_folder_only_where_an_exception_may_match() -> None:
    found = rules("data", "**/__pycache__", "!data/keep/x.txt", "!other/*.py")
    assert found.root().enter("data").prunable is False
    assert found.root().enter("data").enter("big").prunable
    assert found.root().enter("data").enter("keep").prunable is False
    assert found.root().enter("pkg").enter("__pycache__").prunable
    assert rules("data", "!**/x").root().enter("data").prunable is False


def test_common_patterns_cost_no_regular_expression_per_path() -> None:
    common = [
        ".git",
        "**/__pycache__",
        "**/*.pyc",
        "data/",
        "*.csv",
        "build/**",
        "**/.cache*",
        "docs/_build",
        "src/*.so",
    ]
    assert not PatternSet(pattern.rstrip("/") for pattern in common)._others


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_rules_or_an_error_that_names_the_line(content: bytes) -> None:
    try:
        found = parse_ignore_file(content, "ignore")
    except IgnoreFileError as e:
        assert str(e).startswith(f"ignore:{e.line}: ")
    else:
        assert isinstance(found.excludes("a/b"), bool)
