"""Quoting, names and loading by name."""

from __future__ import annotations

import shlex as std_shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchx.util import modules, shlex, strings

if TYPE_CHECKING:
    from pathlib import Path

WORDS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))


@given(WORDS)
def test_joined_words_split_into_themselves(words: list[str]) -> None:
    assert std_shlex.split(shlex.join(words)) == words


@settings(max_examples=25, deadline=None)
@given(WORDS)
def test_a_shell_passes_joined_words_on_byte_for_byte(words: list[str]) -> None:
    done = subprocess.run(
        ["sh", "-c", f"printf '%s\\0' end {shlex.join(words)}"], check=True, stdout=subprocess.PIPE, timeout=30
    )
    assert done.stdout.decode().split("\0")[1:-1] == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Hello_World-1", "helloworld-1"), ("--a", "a"), ("ä b/c", "bc"), ("", "")],
)
def test_normalized_names(text: str, expected: str) -> None:
    assert strings.normalize_str(text) == expected


def test_load_module_gives_modules_and_their_attributes() -> None:
    assert modules.load_module("os.path") is sys.modules["os.path"]
    assert modules.load_module("os.path:join") is sys.modules["os.path"].join


@pytest.mark.parametrize("path", ["no_such_module", "os:no_such_attribute", "no.such:thing", ""])
def test_load_module_gives_none_for_what_is_not_there(path: str) -> None:
    assert modules.load_module(path) is None


def test_import_attr_gives_the_default_only_for_a_missing_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchx_test_broken.py").write_text("import torchx_test_missing_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert modules.import_attr("os.path", "sep", "?") == "/"
    assert modules.import_attr("torchx_test_no_such_module", "x", "default") == "default"
    with pytest.raises(AttributeError):
        modules.import_attr("os.path", "no_such_attribute", "?")
    with pytest.raises(ModuleNotFoundError, match="torchx_test_missing_dependency"):
        modules.import_attr("torchx_test_broken", "x", "?")
