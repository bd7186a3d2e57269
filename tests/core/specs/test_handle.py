from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.errors import UsageError
from torchx.specs import (
    MalformedAppHandleException,
    ParsedAppHandle,
    UnknownAppException,
    UnknownSchedulerException,
    make_app_handle,
    parse_app_handle,
)


@pytest.mark.parametrize(
    ("handle", "parts"),
    [
        ("local_cwd://torchx/app_1", ("local_cwd", "torchx", "app_1")),
        ("slurm:///123", ("slurm", "", "123")),
        ("kubernetes://my session/ns:name", ("kubernetes", "my session", "ns:name")),
        ("aws_batch://a:b/queue:app-1", ("aws_batch", "a:b", "queue:app-1")),
    ],
)
def test_a_handle_is_split_and_joined(handle: str, parts: tuple[str, str, str]) -> None:
    assert parse_app_handle(handle) == parts
    assert make_app_handle(*parts) == handle


def test_parts_have_names() -> None:
    parsed = parse_app_handle("slurm://torchx/123")
    assert (parsed.scheduler_backend, parsed.session_name, parsed.app_id) == ("slurm", "torchx", "123")
    assert repr(parsed) == "ParsedAppHandle(scheduler_backend='slurm', session_name='torchx', app_id='123')"
    assert parsed._replace(app_id="4") == ParsedAppHandle("slurm", "torchx", "4")


@pytest.mark.parametrize(
    "handle",
    [
        "",
        "123",
        "slurm",
        "slurm:/torchx/123",
        "slurm://",
        "slurm://123",
        "slurm://torchx/",
        "slurm:///",
        "://torchx/123",
        "slurm://torchx/123/trainer",
        "slurm://torchx/123/",
        "slurm://torchx/1 2",
        "slu rm://torchx/123",
        "slurm://torchx/123\n",
        "slurm://tor\nchx/123",
    ],
)
def test_a_malformed_handle_is_refused(handle: str) -> None:
    with pytest.raises(MalformedAppHandleException, match="malformed app handle") as caught:
        parse_app_handle(handle)
    assert isinstance(caught.value, UsageError)
    assert caught.value.hint
    assert "SCHEDULER://SESSION/APP_ID" in caught.value.hint


def test_errors_name_what_was_asked_for() -> None:
    assert "`slrum`" in str(UnknownSchedulerException("slrum"))
    assert "`slurm:///1`" in str(UnknownAppException("slurm:///1"))


_WORD = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"], exclude_characters="/"), min_size=1)


@given(_WORD.filter(lambda text: ":" not in text), st.one_of(st.just(""), _WORD), _WORD)
def test_what_is_joined_is_split_again(scheduler: str, session: str, app_id: str) -> None:
    assert parse_app_handle(make_app_handle(scheduler, session, app_id)) == (scheduler, session, app_id)


@given(st.text(alphabet="a:/ \n0é"))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        parsed = parse_app_handle(text)
    except MalformedAppHandleException:
        return
    assert make_app_handle(*parsed) == text
