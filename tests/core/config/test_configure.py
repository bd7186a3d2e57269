"""Writing configuration: new files, and what is missing merged into files that users have edited."""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING

import pytest

from torchx.cli.main import get_default_sub_cmds, run_main
from torchx.errors import UsageError
from torchx.runner import config
from torchx.runner._configfile import merge_config, plan_merge, scheduler_opts
from torchx.util.configfile import ConfigError, parse_config

if TYPE_CHECKING:
    from pathlib import Path

    from torchx.specs import CfgVal

REQUIRED_ONLY = """\
[acme]
# queue to submit to (str, required)
queue = #FIXME
"""


def test_only_what_must_be_filled_in(acme: str) -> None:
    out = io.StringIO()
    config.dump(out, [acme], required_only=True)
    assert out.getvalue() == REQUIRED_ONLY


def test_defaults_are_read_back_as_they_were(acme: str) -> None:
    out = io.StringIO()
    config.dump(out, [acme])
    cfg: dict[str, CfgVal] = {"queue": "gpu"}
    config.load(acme, io.StringIO(out.getvalue()), cfg)
    assert cfg == {
        "queue": "gpu",
        **{name: opt.default for name, opt in scheduler_opts(acme) if opt.default},
        "quiet": False,
    }
    assert "# account = None" in out.getvalue()


def test_all_installed_schedulers_by_default(acme: str) -> None:
    out = io.StringIO()
    config.dump(out)
    assert {acme, "local_cwd"} <= set(parse_config(out.getvalue(), "f").sections)


def test_an_unknown_scheduler_writes_nothing(acme: str, project: Path) -> None:
    path = project / ".torchxconfig"
    path.write_text("[acme]\n")
    with pytest.raises(UsageError, match="acne") as caught:
        merge_config(str(path), [acme, "acne"])
    assert caught.value.hint == "did you mean `acme`?"
    assert path.read_text() == "[acme]\n"
    out = io.StringIO()
    with pytest.raises(UsageError):
        config.dump(out, [acme, "acne"])
    assert out.getvalue() == ""


def test_a_missing_file_is_made(acme: str, project: Path) -> None:
    path = project / ".torchxconfig"
    merge = merge_config(str(path), [acme])
    assert path.read_text() == REQUIRED_ONLY == merge.text
    assert merge.changed
    assert merge.added == {"acme": ["queue"]}
    assert os.listdir(project) == [".torchxconfig"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "# mine\n[cli:run]\nscheduler = acme   # default\n",
            f"# mine\n[cli:run]\nscheduler = acme   # default\n\n{REQUIRED_ONLY}",
            id="other-section",
        ),
        pytest.param(
            "[acme]\ncores = 9\n\n# about the next one\n[z]\na = 1\n",
            REQUIRED_ONLY.replace("]\n", "]\ncores = 9\n") + "\n# about the next one\n[z]\na = 1\n",
            id="within-section",
        ),
        pytest.param(
            "[acme]\n[z]\na = 1\n",
            f"{REQUIRED_ONLY}[z]\na = 1\n",
            id="empty-section",
        ),
        pytest.param("[acme]", REQUIRED_ONLY, id="no-last-line-end"),
        pytest.param("[acme]\n  Queue: x\n", None, id="other-spelling"),
        pytest.param("[acme]\nqueue = x\n  y\n\n\n", None, id="nothing-missing"),
        pytest.param("[acme]\n# queue = later\n", None, id="commented-out"),
        pytest.param("\n\n# only this\n", f"\n\n# only this\n\n{REQUIRED_ONLY}", id="only-comments"),
        pytest.param("[z]\r\na = 1\r\n", "[z]\r\na = 1\r\n\r\n" + REQUIRED_ONLY.replace("\n", "\r\n"), id="crlf"),
    ],
)
def test_a_merge_adds_only_what_is_missing(acme: str, project: Path, before: str, after: str | None) -> None:
    path = project / ".torchxconfig"
    path.write_bytes(before.encode())
    merge = merge_config(str(path), [acme])
    expected = before if after is None else after
    assert path.read_bytes().decode() == expected == merge.text
    assert merge.changed == (after is not None)
    again = merge_config(str(path), [acme])
    assert not again.changed
    assert path.read_bytes().decode() == expected


def test_all_options_keep_the_values_of_the_user(acme: str, project: Path) -> None:
    path = project / ".torchxconfig"
    path.write_text("[acme]\nqueue = mine\njobName = x\n")
    merge_config(str(path), [acme], required_only=False)
    section = parse_config(path.read_text(), str(path)).sections["acme"]
    assert section["queue"] == "mine"
    assert section["jobName"] == "x"
    assert "job_name" not in section
    assert section["cores"] == "4"


def test_a_plan_writes_nothing(acme: str, project: Path) -> None:
    path = project / ".torchxconfig"
    assert plan_merge(str(path), [acme]).text == REQUIRED_ONLY
    assert not path.exists()


def test_a_malformed_file_is_not_touched(acme: str, project: Path) -> None:
    path = project / ".torchxconfig"
    path.write_text("[acme\nqueue = 1\n")
    with pytest.raises(ConfigError, match=rf"{path}:1: "):
        merge_config(str(path), [acme])
    assert path.read_text() == "[acme\nqueue = 1\n"


def test_a_pyproject_is_not_written(acme: str, project: Path) -> None:
    with pytest.raises(UsageError, match="is TOML"):
        merge_config(str(project / "pyproject.toml"), [acme])


def test_mode_and_link_stay(acme: str, project: Path, home: Path) -> None:
    real = home / "dotfiles"
    real.write_text("[z]\na = 1\n")
    real.chmod(0o600)
    link = project / ".torchxconfig"
    link.symlink_to(real)
    merge_config(str(link), [acme])
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert real.read_text().endswith(REQUIRED_ONLY)


def test_a_failed_write_leaves_the_old_file(acme: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project / ".torchxconfig"
    path.write_text("[z]\na = 1\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        merge_config(str(path), [acme])
    assert path.read_text() == "[z]\na = 1\n"
    assert os.listdir(project) == [".torchxconfig"]


def test_what_another_file_sets_is_added_as_a_comment(acme: str, project: Path, home: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.torchx.acme]\ncores = 9\nqueue = 'gpu'\n")
    (home / ".torchxconfig").write_text("[acme]\njobName = mine\n")
    before: dict[str, CfgVal] = {}
    config.apply(acme, before)
    run_main(get_default_sub_cmds(), ["configure", "-a", "-s", acme])
    after: dict[str, CfgVal] = {}
    config.apply(acme, after)
    assert after == {
        **{name: o.default for name, o in scheduler_opts(acme) if o.default not in (None, [], {})},
        **before,
    }
    text = (project / ".torchxconfig").read_text()
    assert f"(int, set in {project}/pyproject.toml:2)\n# cores = 4\n" in text
    assert f"(str, required, set in {project}/pyproject.toml:3)\n# queue = ...\n" in text
    assert f"(str, set in {home}/.torchxconfig:2)\n# job_name = job\n" in text


def test_the_file_that_is_read_is_the_one_that_is_written(
    acme: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "mine.ini"
    monkeypatch.setenv("TORCHXCONFIG", str(named))
    run_main(get_default_sub_cmds(), ["configure", "-s", acme])
    assert named.read_text() == REQUIRED_ONLY
    assert os.listdir(project) == []


def test_where_no_file_is_read_none_is_written(
    acme: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHXCONFIG", "")
    with pytest.raises(SystemExit):
        run_main(get_default_sub_cmds(), ["configure", "-s", acme])
    assert "hint: unset TORCHXCONFIG" in capsys.readouterr().err
    assert os.listdir(project) == []


def test_a_file_that_is_no_text_is_told_with_its_line(acme: str, project: Path) -> None:
    path = project / ".torchxconfig"
    path.write_bytes(b"[z]\n\xff\n")
    with pytest.raises(ConfigError, match=r"\.torchxconfig:2: is not UTF-8 text"):
        merge_config(str(path), [acme])


def test_what_is_no_file_is_told_and_not_passed_over(acme: str, project: Path) -> None:
    path = project / ".torchxconfig"
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config.apply(acme, {})
    path.rmdir()
    path.symlink_to("nowhere/file")
    for act in (lambda: config.apply(acme, {}), lambda: merge_config(str(path), [acme])):
        with pytest.raises(ConfigError, match="is a link to `nowhere/file`, which does not exist"):
            act()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (".torchxconfig", "[acme\na = 1\n", ":1: the bracket of `[acme` is not closed"),
        (".torchxconfig", "[z]\na = 1\n[acme\na = 2\n", ":3: the bracket of `[acme` is not closed"),
        (
            "pyproject.toml",
            "[tool.torchx\n",
            ":1: is not valid TOML: Expected ']' at the end of a table declaration (column 13)",
        ),
    ],
    ids=["first line", "later line", "TOML"],
)
def test_an_open_bracket_is_told(acme: str, project: Path, name: str, text: str, told: str) -> None:
    (project / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.apply(acme, {})
    assert str(caught.value).endswith(told)
