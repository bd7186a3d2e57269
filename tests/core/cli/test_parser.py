"""The argument parser: two spellings of an option, and a remainder that is not looked at."""

from __future__ import annotations

import argparse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchx.cli.argparse_util import ArgOnceAction
from torchx.cli.parser import TorchXArgumentParser


def run_parser() -> TorchXArgumentParser:
    parser = TorchXArgumentParser(prog="torchx run")
    parser.add_argument("-s", "--scheduler")
    parser.add_argument("-cfg", "--scheduler_args", default="")
    parser.add_argument("--dryrun", action="store_true")
    parser.add_argument("--tee_logs", action="store_true")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    return parser


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.sampled_from(
    ["--", "-", "-h", "--help", "--dryrun", "--s", "-e", "-1", "--x=1", "-cfg", "", "--scheduler"]
)


@settings(deadline=None)
@given(component=st.sampled_from(["utils.sh", "a.py:f", "dist.ddp"]), rest=st.lists(WORDS))
def test_what_follows_the_component_is_untouched(component: str, rest: list[str]) -> None:
    args = run_parser().parse_args(["-s", "x", "--dryrun", component, *rest])
    assert (args.scheduler, args.dryrun, args.rest) == ("x", True, [component, *rest])


@pytest.mark.parametrize(
    ("own", "scheduler", "cfg"),
    [
        (["-s", "x"], "x", ""),
        (["-sx"], "x", ""),
        (["--scheduler=x"], "x", ""),
        (["--scheduler", "x", "--tee-logs"], "x", ""),
        (["-s", "x", "-cfg", "a=1,b=2"], "x", "a=1,b=2"),
        (["-cfg=a=1", "-s", "x"], "x", "a=1"),
        (["--scheduler_a", "a=1"], None, "a=1"),
        (["--scheduler-args", "a=1", "--dry"], None, "a=1"),
        ([], None, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("separator", [[], ["--"]], ids=["direct", "dashes"])
def test_own_options_end_at_the_component(
    own: list[str], scheduler: str | None, cfg: str, separator: list[str]
) -> None:
    args = run_parser().parse_args([*own, *separator, "utils.echo", "--msg", "a"])
    assert (args.scheduler, args.scheduler_args, args.rest) == (scheduler, cfg, ["utils.echo", "--msg", "a"])


def test_dashes_ahead_of_the_remainder_let_it_begin_with_an_option() -> None:
    assert run_parser().parse_args(["-s", "x", "--", "--msg", "a"]).rest == ["--msg", "a"]


def test_an_option_in_a_group_has_two_spellings() -> None:
    parser = TorchXArgumentParser()
    parser.add_argument_group("more").add_argument("--a_b-c")
    for option in ("--a_b-c", "--a_b_c", "--a-b-c", "--a-b"):
        assert vars(parser.parse_args([option, "1"])) == {"a_b_c": "1"}


def test_real_ambiguity_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_parser().parse_args(["--sched", "x"])
    assert "ambiguous" in capsys.readouterr().err


def test_an_option_given_twice_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    parser = TorchXArgumentParser(prog="p")
    parser.add_argument("--a", action=ArgOnceAction)
    assert parser.parse_args(["--a", "1"]).a == "1"
    assert parser.parse_args(["--a", "2"]).a == "2"
    with pytest.raises(SystemExit):
        parser.parse_args(["--a", "1", "--a", "1"])
    assert "given more than once" in capsys.readouterr().err
