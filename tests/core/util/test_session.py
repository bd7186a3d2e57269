from __future__ import annotations

import uuid

import pytest

from torchx.util import session


@pytest.fixture(autouse=True)
def no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHX_INTERNAL_SESSION_ID", raising=False)
    monkeypatch.setattr(session, "CURRENT_SESSION_ID", None)


def test_without_a_session_one_is_made_and_kept() -> None:
    assert session.get_torchx_session_id() is None
    made = session.get_session_id_or_create_new()
    assert uuid.UUID(made)
    assert session.get_session_id_or_create_new() == made == session.CURRENT_SESSION_ID


def test_the_environments_session_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    session.get_session_id_or_create_new()
    monkeypatch.setenv(session.TORCHX_INTERNAL_SESSION_ID, "given")
    assert session.get_torchx_session_id() == "given"
    assert session.get_session_id_or_create_new() == "given"
