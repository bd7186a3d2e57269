"""Records as OpenTelemetry spans; needs the extra ``torchx-core[otel]``.

Spans go to the tracer provider that the program has set. Where it has set none, one is made that exports to what the
standard variables name (``OTEL_TRACES_EXPORTER``, ``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_SERVICE_NAME``, ...).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from torchx.errors import UsageError
from torchx.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import TracerProvider

    from torchx.runner.events.api import TorchxEvent

_ATTRIBUTES = ("session", "scheduler", "app_id", "app_image", "runcfg", "workspace", "cpu_time_usec")


def span_recorder(provider: TracerProvider | None = None) -> Callable[[TorchxEvent], None]:
    """A function that makes a span of each record.

    Args:
        provider: makes the tracer; None: the program's own, or one made from the environment.

    Raises:
        UsageError: the environment names an exporter that is not installed.
    """
    tracer = (provider or _provider()).get_tracer("torchx", __version__)

    def record_span(event: TorchxEvent) -> None:
        start = (event.start_epoch_time_usec or 0) * 1000
        span = tracer.start_span(
            f"torchx.{event.api}", kind=SpanKind.CLIENT, start_time=start or None, attributes=_attributes(event)
        )
        if event.exception_type is not None:
            failure = {"exception.type": event.exception_type, "exception.message": event.exception_message or ""}
            if event.raw_exception:
                failure["exception.stacktrace"] = event.raw_exception
            span.add_event("exception", failure)
            span.set_status(Status(StatusCode.ERROR, event.exception_message))
        span.end(start + (event.wall_time_usec or 0) * 1000 if start else None)

    return record_span


def _attributes(event: TorchxEvent) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {"torchx.source": event.source.value}
    for name in _ATTRIBUTES:
        value = getattr(event, name)
        if value not in (None, ""):
            attributes[f"torchx.{name}"] = value
    for key, metadata in (event.app_metadata or {}).items():
        attributes[f"torchx.app_metadata.{key}"] = str(metadata)
    return attributes


def _provider() -> TracerProvider:
    current = trace.get_tracer_provider()
    if not isinstance(current, trace.ProxyTracerProvider):
        return current
    from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = _exporter(os.environ.get("OTEL_TRACES_EXPORTER", "otlp"))
    provider = SdkTracerProvider()  # Flushed by its own exit handler.
    if exporter is not None:
        provider.add_span_processor(BatchSpanProcessor(exporter()))
    return provider


def _exporter(name: str) -> Callable[[], SpanExporter] | None:
    from importlib.metadata import entry_points

    if name == "none":
        return None
    for entry_point in entry_points(group="opentelemetry_traces_exporter", name=name):
        exporter: Callable[[], SpanExporter] = entry_point.load()
        return exporter
    raise UsageError(
        f"the OpenTelemetry exporter `{name}` is not installed",
        hint="pip install opentelemetry-exporter-otlp, or name another one in OTEL_TRACES_EXPORTER",
    )
