"""What is read without argparse is what argparse would have read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.cli.cmd_run import CmdRun
from torchx.cli.parser import TorchXArgumentParser

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [
    "-s", "--scheduler", "-cfg", "--scheduler_args", "--dryrun", "--wait", "--no-wait", "--log", "--tee_logs",
    "--tee-logs", "--workspace", "--parent_run_id", "--stdin", "--json", "--show-secrets", "--show_secrets",
    "--", "-", "--sched", "--scheduler=x", "-h", "local_cwd", "utils.echo", "--msg", "a b", "", "k=v,k2=v2",
    "-x", "-1",
]  # fmt: skip


def by_parser(words: list[str]) -> dict[str, object] | None:
    """What the argument parser reads; None where it ends the program."""
    parser = TorchXArgumentParser(prog="torchx run")
    CmdRun().add_arguments(parser)
    try:
        return {name: value for name, value in vars(parser.parse_args(words)).items() if value or name != "_given"}
    except SystemExit:
        return None


@pytest.mark.parametrize(
    "words",
    [
        ["utils.echo"],
        ["-s", "local_cwd", "-cfg", "log_dir=/tmp/x", "--dryrun", "utils.sh", "--", "grep", "-e", "a"],
        [
            "--scheduler",
            "slurm",
            "--wait",
            "--log",
            "--workspace",
            "",
            "--parent_run_id",
            "r",
            "--json",
            "dist.ddp",
            "-j",
            "1",
        ],
        [],
    ],
    ids=" ".join,
)
def test_ordinary_command_lines_need_no_parser(words: list[str]) -> None:
    quick = CmdRun().read_quickly(words)
    assert quick is not None
    assert vars(quick) == by_parser(words)


@given(st.lists(st.sampled_from(WORDS), max_size=6))
def test_both_ways_agree(words: list[str]) -> None:
    quick = CmdRun().read_quickly(words)
    if quick is not None:
        assert vars(quick) == by_parser(words)


@pytest.mark.parametrize("word", ["--help", "--sched", "--scheduler=x", "--nosuch", "--no-wait", "--tee-logs"])
def test_anything_else_is_left_to_the_parser(word: str) -> None:
    assert CmdRun().read_quickly([word, "utils.echo"]) is None


def test_configured_defaults_are_left_to_the_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".torchxconfig").write_text("[cli:run]\nscheduler = local_cwd\n")
    assert CmdRun().read_quickly(["utils.echo"]) is None
