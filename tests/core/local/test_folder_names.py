"""A role's name, whatever it is, names a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.local.kit import role
from torchx.util.folder_names import MAX_FOLDER_NAME_BYTES, folder_name

if TYPE_CHECKING:
    from tests.core.local.kit import Jobs

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300)


@given(NAMES, NAMES)
def test_any_name_becomes_one_folder_of_its_own(first: str, second: str) -> None:
    made = folder_name(first)
    assert len(os.fsencode(made)) <= MAX_FOLDER_NAME_BYTES
    assert os.path.basename(made) == made
    assert made not in (".", "..")
    assert (made == folder_name(second)) == (first == second)


@pytest.mark.parametrize("length", [MAX_FOLDER_NAME_BYTES, MAX_FOLDER_NAME_BYTES + 1])
def test_only_a_name_that_is_too_long_is_cut(length: int) -> None:
    assert (folder_name("r" * length) == "r" * length) == (length <= MAX_FOLDER_NAME_BYTES)


def test_long_names_that_begin_alike_are_told_apart() -> None:
    long = "r" * 300
    cut = folder_name(long)
    assert len({folder_name(long + "1"), folder_name(long + "2"), cut, folder_name(cut)}) == 4


def test_jobs_with_long_role_names_run(jobs: Jobs) -> None:
    names = ["é" * 200, "é" * 200 + "2"]
    app_id = jobs.submit(*(role("echo", str(k), name=name) for k, name in enumerate(names)))
    assert jobs.wait(app_id).state.name == "SUCCEEDED"
    assert [jobs.lines(app_id, name) for name in names] == [["0\n"], ["1\n"]]
