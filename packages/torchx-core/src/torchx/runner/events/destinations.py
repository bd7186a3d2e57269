"""Where records go: the built-in destinations by name, and the handlers that plugins bring."""

from __future__ import annotations

import os

from torchx.errors import TorchXError, UsageError
from torchx.plugins._providers import PLUGIN_FAILURES
from torchx.settings import ENV_TORCHX_EVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import Protocol

    from torchx.plugins import PluginEntry
    from torchx.runner.events.api import TorchxEvent
else:
    Protocol = object  # The same to a program, without importing typing.

LOGGER_NAME = "torchx.events"


class Destination(Protocol):
    """Takes records; neither raises nor blocks for long."""

    def deliver(self, event: TorchxEvent) -> None:
        """Take one record."""


class _Direct:
    """Served within the call: cheap, and in step with the program's other output."""

    def __init__(self, write: Callable[[TorchxEvent], None]) -> None:
        self.deliver = write


class _Queued:
    """Loaded and served by the worker: whatever it does, no call waits for it."""

    def __init__(self, name: str, load: Callable[[], object]) -> None:
        self._name = name
        self._load = load
        self._handle: Callable[[TorchxEvent], object] | None = None
        self._warned = False

    def deliver(self, event: TorchxEvent) -> None:
        from torchx.runner.events.worker import get_worker

        get_worker().put(lambda: self._handle_guarded(event))

    def _handle_guarded(self, event: TorchxEvent) -> None:
        try:
            if self._handle is None:
                self._handle = as_handler(self._load(), self._name)
            self._handle(event)
        except PLUGIN_FAILURES as e:
            import logging

            from torchx.util.masking import masked_traceback

            level = logging.DEBUG if self._warned else logging.WARNING
            self._warned = True
            logging.getLogger(__name__).log(level, "the event handler `%s` failed\n%s", self._name, masked_traceback(e))


def configured_destinations() -> list[Destination]:
    """The destinations of the runner's own records: those ``TORCHX_EVENTS`` names, else all handler plugins."""
    names = os.environ.get(ENV_TORCHX_EVENTS)
    if names is None:
        from torchx.plugins.manager import get_plugin_manager

        return [_of_plugin(entry) for entry in get_plugin_manager().event_handlers().values()]
    wanted = [name.strip() for name in names.split(",")]
    return [_find_or_warn(name) for name in wanted if name not in ("", "null")]


def find_destination(name: str) -> Destination:
    """The destination of a name.

    Raises:
        UnknownPluginError: there is none of this name.
    """
    built_in = _BUILT_IN.get(name)
    if built_in is not None:
        return built_in
    from torchx.plugins.manager import get_plugin_manager

    return _of_plugin(get_plugin_manager().get("event_handlers", name))


def _find_or_warn(name: str) -> Destination:
    """As `find_destination`, but what is misspelt in the environment is told once, and fails no call."""
    try:
        return find_destination(name)
    except TorchXError as e:
        if name not in _WARNED:
            import logging

            _WARNED.add(name)
            logging.getLogger(__name__).warning(
                "%s names an event destination that is not there: %s", ENV_TORCHX_EVENTS, e
            )
        return _BUILT_IN["null"]


def as_handler(loaded: object, name: str) -> Callable[[TorchxEvent], object]:
    """What an event handler plugin refers to, as a function that takes one record.

    Args:
        loaded: a ``logging.Handler``, which gets log records whose message is the event as JSON and whose attribute
            ``event`` is the event itself; or a function or class without arguments that makes one, or that makes a
            function that takes a `TorchxEvent`.
        name: the plugin's name, for errors.

    Raises:
        UsageError: it is nothing of this.
    """
    import logging

    if callable(loaded) and not isinstance(loaded, logging.Handler):
        loaded = loaded()
    if isinstance(loaded, logging.Handler):
        handler = loaded
        return lambda event: handler.handle(_log_record(event))
    if callable(loaded):
        return loaded
    raise UsageError(
        f"the event handler `{name}` is no `logging.Handler` and no function: {loaded!r}",
        hint="register a `logging.Handler`, or a function without arguments that returns one",
    )


def _of_plugin(entry: PluginEntry) -> Destination:
    destination = _PLUGINS.get(entry)
    if destination is None:
        destination = _PLUGINS.setdefault(entry, _Queued(entry.name, entry.load))
    return destination


def _log_record(event: TorchxEvent) -> logging.LogRecord:
    import logging

    log_record = logging.LogRecord(LOGGER_NAME, logging.INFO, __file__, 0, event.serialize(), None, None)
    log_record.event = event
    return log_record


def _to_console(event: TorchxEvent) -> None:
    import sys

    sys.stderr.write(event.serialize() + "\n")


def _to_log(event: TorchxEvent) -> None:
    import logging

    logging.getLogger(LOGGER_NAME).info("%s", event.serialize(), extra={"event": event})


def _load_otel() -> object:
    try:
        from torchx.runner.events.otel import span_recorder
    except ModuleNotFoundError as e:
        raise TorchXError(
            f"the event destination `otel` needs OpenTelemetry: {e}", hint="pip install 'torchx-core[otel]'"
        ) from e
    return span_recorder


_BUILT_IN: dict[str, Destination] = {
    "console": _Direct(_to_console),
    "log": _Direct(_to_log),
    "null": _Direct(lambda event: None),
    "otel": _Queued("otel", _load_otel),
}
_PLUGINS: dict[PluginEntry, Destination] = {}
_WARNED: set[str] = set()
