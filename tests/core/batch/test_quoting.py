"""What users wrote is data in a shell script, whatever it holds."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchx.errors import UsageError
from torchx.schedulers.batch.quoting import APP_ID, REPLICA, one_line, script_bytes, word
from torchx.testing import HOSTILE_TEXTS, NOT_UNICODE

SHELLS = ("sh", "bash")
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)


def printed(shell: str, words: str) -> list[bytes]:
    """What a shell makes of some words."""
    code = script_bytes(f"_torchx_app_id='7 8' _torchx_replica=3\nprintf '%s\\0' {words}\n")
    done = subprocess.run([shell, "-s"], input=code, capture_output=True, timeout=30, check=True)
    return done.stdout.split(b"\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_hostile_texts_are_one_word_each(shell: str) -> None:
    texts = [*HOSTILE_TEXTS, *NOT_UNICODE]
    assert printed(shell, " ".join(map(word, texts))) == [os.fsencode(text) for text in texts]


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=8))
def test_any_text_is_one_word(shell: str, texts: list[str]) -> None:
    assert printed(shell, " ".join(map(word, texts))) == [text.encode() for text in texts]


@settings(max_examples=25, deadline=None)
@given(before=TEXTS, between=TEXTS, after=TEXTS)
def test_values_of_the_run_are_filled_in_and_the_rest_stays(before: str, between: str, after: str) -> None:
    text = f"{before}{APP_ID}{between}{REPLICA}{after}"
    assert printed("sh", word(text)) == [f"{before}7 8{between}3{after}".encode()]


def test_half_a_character_is_refused() -> None:
    with pytest.raises(UsageError, match="surrogate"):
        script_bytes("echo \ud800")


@pytest.mark.parametrize(
    ("text", "line"),
    [("a\nb", "a b"), ("ünï", "ünï"), ("\x1b[31mred", "[31mred"), ("a\u2028b", "a b"), ("\n", "")],
    ids=["line end", "letters", "terminal", "line separator", "nothing left"],
)
def test_text_for_people_is_one_line(text: str, line: str) -> None:
    assert one_line(text) == line
