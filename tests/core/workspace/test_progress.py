"""The progress line of long copies."""

from __future__ import annotations

import io

import pytest

from torchx.workspace import progress
from torchx.workspace.progress import FileProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("patience", "shown"), [(0.0, True), (60.0, False)], ids=["slow", "quick"])
def test_a_terminal_sees_what_takes_long(monkeypatch: pytest.MonkeyPatch, patience: float, shown: bool) -> None:
    monkeypatch.setattr(progress, "PATIENCE", patience)
    out = Terminal()
    with FileProgress("copying workspace", 20, out) as bar:
        bar.advance(5)
        bar.advance(7)
    assert bar.done == 12
    assert ("copying workspace" in out.getvalue()) == shown
    assert ("12/20" in out.getvalue()) == shown


def test_others_see_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    out = io.StringIO()
    with FileProgress("copying workspace", None, out) as bar:
        bar.advance(5)
        bar.advance(5)
    assert (bar.done, out.getvalue()) == (10, "")
