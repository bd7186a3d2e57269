"""Measures a call and hands its record to the destinations."""

from __future__ import annotations

import os
import time
from _thread import get_ident  # threading adds nothing that is needed here
from functools import wraps

from torchx.settings import ENV_TORCHX_EVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Any, TypeVar

    from torchx.runner.events.api import TorchxEvent

    F = TypeVar("F", bound=Callable[..., Any])

_TRACEBACK_LIMIT = 32 * 1024
"""Characters of a traceback that are kept, from its end."""

_MASKED_FIELDS = ("app_image", "app_metadata", "raw_exception", "workspace", "exception_message")

_wholes: dict[int, log_event] = {}
"""Thread to the call whose parts are running there; see `log_event.parts`."""


class log_event:
    """Records the call inside its ``with`` block.

    Args:
        api: the name of the method.
        scheduler: the scheduler concerned.
        app_id: the app's id; may be set later, see `event`.
        app_image: the image of the app's roles.
        app_metadata: the app's metadata.
        runcfg: the scheduler's options as JSON.
        workspace: the workspace of the call.

    Attributes:
        secrets: values that are hidden wherever they stand in the record; add what is known to be secret.

    >>> with log_event("schedule", scheduler="local_cwd") as call:
    ...     call.event.app_id = "trainer-1"
    """

    def __init__(
        self,
        api: str,
        scheduler: str | None = None,
        app_id: str | None = None,
        app_image: str | None = None,
        app_metadata: dict[str, str] | None = None,
        runcfg: str | None = None,
        workspace: str | None = None,
    ) -> None:
        self._fields: dict[str, Any] = {
            "scheduler": scheduler or "",
            "app_id": app_id,
            "app_image": app_image,
            "app_metadata": app_metadata,
            "runcfg": runcfg,
            "workspace": workspace,
        }
        self._api = api
        self._event: TorchxEvent | None = None
        self.secrets: set[str] = set()
        self._hidden: list[Callable[[], Iterable[str]]] = []
        self._whole: log_event | None = None
        self._start_time = self._start_wall = self._start_cpu = 0

    @property
    def event(self) -> TorchxEvent:
        """The record; what becomes known during the call can be set on it."""
        if self._event is None:
            from torchx.runner.events.api import SourceType, TorchxEvent
            from torchx.util.session import get_session_id_or_create_new, get_torchx_session_id

            self._event = TorchxEvent(
                session=get_session_id_or_create_new(),
                api=self._api,
                source=SourceType.INTERNAL if get_torchx_session_id() else SourceType.EXTERNAL,
                **{name: value() if callable(value) else value for name, value in self._fields.items()},
            )
        return self._event

    def note(self, **fields: Any) -> None:
        """Sets what has become known during the call; costs nothing where no record is wanted.

        Args:
            fields: names and values of the record's fields; a function is called for its value when a record is made.
        """
        if self._event is None:
            self._fields.update(fields)
        else:
            for name, value in fields.items():
                setattr(self._event, name, value() if callable(value) else value)

    def hide(self, secrets: Callable[[], Iterable[str]]) -> None:
        """Names secret values, by a function that is called when a record is made, or when the call fails."""
        self._hidden.append(secrets)

    def parts(self) -> AbstractContextManager[None]:
        """A context in which the calls of this thread are parts of this one, and make no records of their own.

        What becomes known in them is noted here, where it is not known yet.
        """
        return _Parts(self)

    def __enter__(self) -> log_event:
        self._whole = _wholes.pop(get_ident(), None)
        self._start_time = time.time_ns()
        self._start_cpu = time.process_time_ns()
        self._start_wall = time.perf_counter_ns()
        return self

    def __exit__(
        self,
        exec_type: type[BaseException] | None,
        exec_value: BaseException | None,
        traceback_type: TracebackType | None,
    ) -> bool | None:
        wall = time.perf_counter_ns() - self._start_wall
        cpu = time.process_time_ns() - self._start_cpu
        if self._whole is not None:
            _wholes[get_ident()] = self._whole
            self._whole._adopt(self)
            return None
        if isinstance(exec_value, GeneratorExit):
            exec_value = None  # whoever asked has seen enough
        try:
            self._record(wall // 1000, cpu // 1000, exec_value)
        except Exception as failure:
            _warn("an event could not be recorded; the call is not affected", failure)
        return None

    def _record(self, wall_usec: int, cpu_usec: int, error: BaseException | None) -> None:
        if error is not None and self._hidden:
            self._collect_secrets()
            _mark(error, self.secrets)
        if not _is_wanted():
            return
        from torchx.runner.events.destinations import configured_destinations

        destinations = configured_destinations()
        if not destinations:
            return
        event = self.event
        event.start_epoch_time_usec = self._start_time // 1000
        event.wall_time_usec = wall_usec
        event.cpu_time_usec = cpu_usec
        if error is not None:
            _describe_exception(event, error)
        self._collect_secrets()
        masked = _masked(event, self.secrets)
        for destination in destinations:
            destination.deliver(masked)

    def _collect_secrets(self) -> None:
        hidden, self._hidden = self._hidden, []
        for secrets in hidden:
            self.secrets.update(secrets())

    def _adopt(self, part: log_event) -> None:
        """Notes what a part knows of the call and this one does not."""
        known = self._known()
        self.note(**{name: value for name, value in part._known().items() if value and not known[name]})
        self._hidden += part._hidden
        self.secrets |= part.secrets

    def _known(self) -> dict[str, Any]:
        return self._fields if self._event is None else {name: getattr(self._event, name) for name in self._fields}


class apart:
    """A context in which the calls of this thread are parts of no other: for code of plugins."""

    def __init__(self) -> None:
        self._whole: log_event | None = None

    def __enter__(self) -> None:
        self._whole = _wholes.pop(get_ident(), None)

    def __exit__(self, *error: object) -> None:
        if self._whole is not None:
            _wholes[get_ident()] = self._whole


class _Parts:
    def __init__(self, whole: log_event) -> None:
        self._whole = whole

    def __enter__(self) -> None:
        _wholes[get_ident()] = self._whole

    def __exit__(self, *error: object) -> None:
        _wholes.pop(get_ident(), None)


def recorded(api: str, *, rows: bool = False) -> Callable[[F], F]:
    """Makes one record of each call of a method; the calls that it makes in turn are parts of it.

    What becomes known in the method is told with `note` and `hide`.

    Args:
        api: the call's name in the record.
        rows: the method returns an iterator, and the call lasts until that is exhausted or left.
    """

    def decorate(method: F) -> F:
        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            with log_event(api) as whole, whole.parts():
                return method(*args, **kwargs)

        @wraps(method)
        def iterate(*args: Any, **kwargs: Any) -> Any:
            with log_event(api) as whole:
                with whole.parts():
                    found = method(*args, **kwargs)
                yield from found

        return iterate if rows else call  # type: ignore[return-value]  # of the same signature

    return decorate


def note(**fields: Any) -> None:
    """As `log_event.note` of the `recorded` call that runs in this thread; nothing where there is none."""
    running = _wholes.get(get_ident())
    if running is not None:
        running.note(**fields)


def hide(secrets: Callable[[], Iterable[str]]) -> None:
    """As `log_event.hide` of the `recorded` call that runs in this thread; nothing where there is none."""
    running = _wholes.get(get_ident())
    if running is not None:
        running.hide(secrets)


def _is_wanted() -> bool:
    """Whether there may be a destination; most installations have none, and are spared its modules."""
    if ENV_TORCHX_EVENTS in os.environ:
        return True
    from torchx.plugins.manager import get_plugin_manager

    return bool(get_plugin_manager().event_handlers())


def record(event: TorchxEvent, destination: str = "null") -> None:
    """Hand a record to one destination, with its secrets hidden. Never fails: what goes wrong is logged.

    Args:
        event: the record.
        destination: ``console`` (standard error), ``log`` (the logger ``torchx.events``), ``otel``, the name of an
            event handler plugin, or ``null``: nowhere.
    """
    if destination == "null":
        return
    try:
        from torchx.runner.events.destinations import find_destination

        find_destination(destination).deliver(_masked(event))
    except Exception as failure:
        _warn(f"an event could not be recorded at the destination `{destination}`", failure)


def flush(timeout: float = 2.0) -> bool:
    """Wait until all records made so far have been delivered.

    Args:
        timeout: seconds to wait at most.

    Returns:
        whether they have.
    """
    from torchx.runner.events.worker import flush_worker

    return flush_worker(timeout)


def _describe_exception(event: TorchxEvent, error: BaseException) -> None:
    import traceback

    kind = type(error)
    event.exception_type = (
        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    )
    event.exception_message = str(error)
    event.raw_exception = "".join(traceback.format_exception(kind, error, error.__traceback__))[-_TRACEBACK_LIMIT:]
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        event.exception_source_location = f"{frames[-1].filename}:{frames[-1].lineno}:{frames[-1].name}"


def _masked(event: TorchxEvent, secrets: Iterable[str] = ()) -> TorchxEvent:
    from dataclasses import replace

    from torchx.util.masking import mask_data

    masked = {name: mask_data(getattr(event, name), secrets) for name in _MASKED_FIELDS}
    masked["runcfg"] = _mask_json(event.runcfg, secrets)
    return replace(event, **masked)  # type: ignore[arg-type]  # masking keeps the types


def _mask_json(text: str | None, secrets: Iterable[str]) -> str | None:
    import json

    from torchx.util.masking import mask_data, mask_text

    if text is None:
        return None
    try:
        return json.dumps(mask_data(json.loads(text), secrets))
    except ValueError:
        return mask_text(text, secrets)


def _mark(error: BaseException, secrets: Iterable[str]) -> None:
    from torchx.util.masking import attach_secrets

    attach_secrets(error, secrets)


def _warn(message: str, error: BaseException) -> None:
    import logging

    from torchx.util.masking import masked_traceback

    logging.getLogger(__name__).warning("%s\n%s", message, masked_traceback(error))
