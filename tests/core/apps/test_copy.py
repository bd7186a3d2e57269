"""The copying program."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import fsspec
import pytest

from torchx.apps.utils.copy_main import main, parse_args

if TYPE_CHECKING:
    from pathlib import Path


def _copy(src: object, dst: object) -> None:
    main([f"--src={src}", f"--dst={dst}"])


def test_the_arguments() -> None:
    args = parse_args(["--src", "a", "--dst=-b"])
    assert (args.src, args.dst) == ("a", "-b")


@pytest.mark.parametrize("size", [0, 1, 9 << 20], ids=["empty", "byte", "over-a-chunk"])
def test_a_file(tmp_path: Path, size: int) -> None:
    content = os.urandom(1) * size
    (tmp_path / "a").write_bytes(content)
    _copy(tmp_path / "a", tmp_path / "new" / "deep" / "b")
    assert (tmp_path / "new" / "deep" / "b").read_bytes() == content


def test_a_file_into_a_folder_and_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a").write_text("old")
    _copy(tmp_path / "a", tmp_path / "dir")
    assert (tmp_path / "dir" / "a").read_text() == "new"


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "src" / "sub").mkdir(parents=True)
    (tmp_path / "src" / "one").write_text("1")
    (tmp_path / "src" / "sub" / "two").write_text("2")
    _copy(tmp_path / "src", tmp_path / "dst")
    assert (tmp_path / "dst" / "one").read_text() == "1"
    assert (tmp_path / "dst" / "sub" / "two").read_text() == "2"


def test_between_file_systems(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hello")
    _copy(f"file://{tmp_path}/a", "memory://torchx-test/b")
    _copy("memory://torchx-test/b", tmp_path / "c")
    assert (tmp_path / "c").read_text() == "hello"
    fsspec.filesystem("memory").rm("/torchx-test", recursive=True)


@pytest.mark.parametrize(
    ("src", "dst", "reason"),
    [
        ("missing", "b", "does not exist"),
        ("a", "a", "the same file"),
        ("a", "a/b", ""),
        ("nosuchscheme://a", "b", ""),
    ],
    ids=["no-source", "same", "target-below-a-file", "unknown-scheme"],
)
def test_what_cannot_be_copied_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, src: str, dst: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("kept")
    with pytest.raises(SystemExit) as caught:
        _copy(src, dst)
    message = str(caught.value.code)
    assert message.startswith(f"error: cannot copy `{src}` to `{dst}`: ")
    assert reason in message
    assert (tmp_path / "a").read_text() == "kept"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
