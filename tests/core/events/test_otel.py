from __future__ import annotations

import opentelemetry.sdk.trace as sdk
import pytest

from torchx.runner.events.api import TorchxEvent


def test_a_record_is_a_span() -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import StatusCode

    from torchx.runner.events.otel import span_recorder

    exporter = InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    record_span = span_recorder(provider)
    times = {"start_epoch_time_usec": 1_000_000, "wall_time_usec": 500, "cpu_time_usec": 20}
    record_span(TorchxEvent("s", "slurm", "run", app_id="a", app_metadata={"team": "x"}, **times))  # type: ignore[arg-type]
    failure = {"exception_type": "ValueError", "exception_message": "bad", "raw_exception": "Traceback"}
    record_span(TorchxEvent("s", "slurm", "run", **times, **failure))  # type: ignore[arg-type]
    good, bad = exporter.get_finished_spans()
    assert (good.name, good.start_time, good.end_time) == ("torchx.run", 1_000_000_000, 1_000_500_000)
    assert good.attributes is not None
    assert good.attributes["torchx.app_id"] == "a"
    assert good.attributes["torchx.app_metadata.team"] == "x"
    assert good.status.status_code is StatusCode.UNSET
    assert (bad.status.status_code, bad.status.description) == (StatusCode.ERROR, "bad")
    assert bad.events[0].attributes == {
        "exception.type": "ValueError",
        "exception.message": "bad",
        "exception.stacktrace": "Traceback",
    }


def test_an_exporter_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchx.errors import UsageError
    from torchx.runner.events.otel import _exporter

    assert _exporter("none") is None
    assert _exporter("console") is not None
    with pytest.raises(UsageError, match="pigeon"):
        _exporter("pigeon")
