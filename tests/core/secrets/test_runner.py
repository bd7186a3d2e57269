"""The same from Python: what a runner returns, raises and records shows no secret."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.secrets.canaries import CANARY, HOSTILE, OPTION, TOKEN, job
from torchx.cli.errors import print_error
from torchx.cli.job_json import parse_job
from torchx.runner.events import flush

if TYPE_CHECKING:
    from pathlib import Path

    from torchx.runner import Runner
    from torchx.specs import AppDef


def app(received: Path, **changes: Any) -> AppDef:
    made = parse_job(json.dumps(job(str(received), **changes))).app
    assert made is not None
    return made


def test_dry_run_is_masked_however_it_is_printed(runner: Runner, received: Path) -> None:
    info = runner.dryrun(app(received), "vault", {"api_token": OPTION})
    for text in (str(info), repr(info), f"{info}", f"{[info]}", str(info.request), repr(info.request)):
        assert CANARY not in text
        assert "******" in text
    assert TOKEN in info._fmt(info.request)
    assert info.request.app.roles[0].env["SITE_SECRET"] == HOSTILE


def test_native_record_is_masked_and_keeps_them(runner: Runner, received: Path) -> None:
    handle = runner.schedule(runner.dryrun(app(received), "local_cwd"))
    native = runner.describe_native(handle)
    assert native is not None
    assert CANARY not in f"{native} {native!r}"
    assert native.request["roles"][0]["spec"]["env"]["HF_TOKEN"] == TOKEN
    described = runner.describe(handle)
    assert described is not None
    assert described.roles[0].env["SITE_SECRET"] == HOSTILE


def _submit_and_ask(runner: Runner, received: Path) -> None:
    handle = str(runner.run(app(received), "vault", {"api_token": OPTION}))
    runner.wait(handle)
    runner.describe(handle)
    runner.status(handle)
    runner.list("vault", {"api_token": OPTION})
    runner.delete(handle)


def _fail(runner: Runner, received: Path) -> None:
    for attempt in (
        lambda: runner.run(app(received), "vault", {"api_token": OPTION}),
        lambda: runner.run(app(received), "vault", {"api_token": OPTION, f"token={OPTION}": 1}),
        lambda: runner.run_component(
            "utils.sh", {"args": ["--token", TOKEN], "api_token": OPTION, "x": OPTION}, "vault"
        ),
        lambda: runner.run_component("utils.sh", ["--token", TOKEN, TOKEN, "--num_replicas"], "vault"),
        lambda: runner.list("vault"),
        lambda: runner.status(f"vault:/s?token={OPTION}"),
    ):
        with pytest.raises(Exception, match=r".") as raised:
            attempt()
        print_error(raised.value, debug=True)


@pytest.mark.parametrize("destination", ["console", "log", "otel", "acme"])
@pytest.mark.parametrize("failing", [False, True], ids=["calls that work", "calls that fail"])
def test_records_are_masked_wherever_they_go(
    runner: Runner,
    received: Path,
    records: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    destination: str,
    failing: bool,
) -> None:
    monkeypatch.setenv("TORCHX_EVENTS", destination)
    spans = _collect_spans(monkeypatch) if destination == "otel" else []
    if failing:
        monkeypatch.setenv("VAULT_FAILS", "1")
    with caplog.at_level(logging.DEBUG):
        (_fail if failing else _submit_and_ask)(runner, received)
        assert flush()
    captured = capfd.readouterr()
    messages = "\n".join(f"{record.getMessage()} {record.exc_text} {vars(record)}" for record in caplog.records)
    written = records.read_text() if records.exists() else ""
    gone_to = {"console": captured.err, "log": messages, "otel": "\n".join(spans), "acme": written}
    expected = "vault" if failing else "schedule" if destination == "console" else "vault"
    assert expected in gone_to[destination]
    assert "******" in gone_to[destination]
    for text in (captured.out, captured.err, messages, written, *spans):
        assert CANARY not in text
    monkeypatch.delenv("VAULT_FAILS", raising=False)


def _collect_spans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    import opentelemetry.sdk.trace as sdk
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    from torchx.runner.events import destinations, otel

    spans: list[str] = []

    class Stream:
        def write(self, text: str) -> None:
            spans.append(text)

        def flush(self) -> None:
            pass

    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=Stream())))  # type: ignore[arg-type]
    monkeypatch.setattr(otel, "_provider", lambda: provider)
    monkeypatch.setitem(destinations._BUILT_IN, "otel", destinations._Queued("otel", lambda: otel.span_recorder))
    return spans


def test_error_keeps_its_secrets_to_itself_and_can_be_pickled(
    runner: Runner, received: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    from torchx.util.masking import attached_secrets

    monkeypatch.setenv("POLICY_FAILS", "1")
    with pytest.raises(ValueError, match="no ") as raised:
        runner.run(app(received), "vault", {"api_token": OPTION})
    assert {TOKEN, OPTION, HOSTILE} <= attached_secrets(raised.value)
    assert attached_secrets(pickle.loads(pickle.dumps(raised.value))) == attached_secrets(raised.value)
