"""Which traceback is told of a replica that is a torchrun with several ranks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from torchx.schedulers.error_files import read_error

if TYPE_CHECKING:
    from pathlib import Path

RANKS = """\
{1}Traceback (most recent call last):
{0}Traceback (most recent call last):
{1}  File "train.py", line 4, in <module>
{0}  File "train.py", line 5, in <module>
{1}ValueError: rank three is unhappy
{0}RuntimeError: connection closed by peer
E1122 api.py:1002] failed (exitcode: 1) local_rank: 1 (pid: 29994)
Traceback (most recent call last):
  File "torchrun", line 10, in <module>
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
Failures:
[1]:
  rank      : 2 (local_rank: 0)
------------------------------------------------------------
"""
ROOT_CAUSE = """\
Root Cause (first observed failure):
[0]:
  time      : 2026-01-01_00:00:00
  host      : localhost
  rank      : 3 (local_rank: 1)
  exitcode  : 1 (pid: 29994)
============================================================
"""


def error_in(log: str, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "stderr.log").write_text(log)
    text = read_error(str(tmp_path / "error.json"), str(tmp_path / "stderr.log"))
    message = json.loads(text)["message"]
    return {"message": message["message"], "traceback": message["extraInfo"]["py_callstack"]}


@pytest.mark.parametrize(
    "prefixes", [("[0]:[rank2]: ", "[1]:[rank3]: "), ("[0]:", "[1]:"), ("[rank2]: ", "[rank3]: ")], ids="|".join
)
def test_the_rank_that_is_the_root_cause_is_told(prefixes: tuple[str, str], tmp_path: Path) -> None:
    assert error_in(RANKS.format(*prefixes) + ROOT_CAUSE, tmp_path) == {
        "message": "ValueError: rank three is unhappy",
        "traceback": "Traceback (most recent call last):\n"
        '  File "train.py", line 4, in <module>\n'
        "ValueError: rank three is unhappy",
    }


@pytest.mark.parametrize("end", ["", ROOT_CAUSE], ids=["no root cause", "no line of that rank"])
def test_the_last_traceback_is_told_where_no_rank_can_be_found(end: str, tmp_path: Path) -> None:
    found = error_in(RANKS.format("[4]:", "[5]:") + end, tmp_path)
    assert found["message"].startswith("torch.distributed.elastic.multiprocessing.errors.ChildFailedError")
