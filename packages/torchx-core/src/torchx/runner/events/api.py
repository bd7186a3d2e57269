"""The record of one call."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from enum import Enum

from torchx.errors import UsageError


class SourceType(str, Enum):
    """Where the call came from.

    ``INTERNAL``: from within a session that the environment names; ``EXTERNAL``: from a program of its own.
    """

    UNKNOWN = "<unknown>"
    INTERNAL = "INTERNAL"
    EXTERNAL = "EXTERNAL"


class MalformedEventError(UsageError, ValueError):
    """A text that is no serialized event."""


@dataclass
class TorchxEvent:
    """One call of the runner's API.

    Attributes:
        session: ties the calls of one program together.
        scheduler: the scheduler concerned; empty where the call concerns none.
        api: the name of the method.
        app_id: the app's id at the scheduler.
        app_image: the image of the app's roles.
        app_metadata: the app's metadata.
        runcfg: the scheduler's options as JSON.
        raw_exception: the traceback, where the call raised.
        source: where the call came from.
        cpu_time_usec: CPU time of the process during the call, in microseconds.
        wall_time_usec: duration of the call, in microseconds.
        start_epoch_time_usec: when the call began, in microseconds since 1970.
        workspace: the workspace of the call.
        exception_type: the qualified name of the exception's class.
        exception_message: its message.
        exception_source_location: where it was raised, ``file:line:function``.
    """

    session: str
    scheduler: str
    api: str
    app_id: str | None = None
    app_image: str | None = None
    app_metadata: dict[str, str] | None = None
    runcfg: str | None = None
    raw_exception: str | None = None
    source: SourceType = SourceType.UNKNOWN
    cpu_time_usec: int | None = None
    wall_time_usec: int | None = None
    start_epoch_time_usec: int | None = None
    workspace: str | None = None
    exception_type: str | None = None
    exception_message: str | None = None
    exception_source_location: str | None = None

    def __str__(self) -> str:
        return self.serialize()

    @staticmethod
    def deserialize(data: str | TorchxEvent) -> TorchxEvent:
        """The event that `serialize` made a text of; an event is returned as it is.

        Fields that this version does not know are left out, so that records of newer versions can be read.

        Raises:
            MalformedEventError: the text is no event.
        """
        if isinstance(data, TorchxEvent):
            return data
        try:
            values = json.loads(data)
            known = {field.name: values[field.name] for field in fields(TorchxEvent) if field.name in values}
            source = known.get("source")
            known["source"] = SourceType(source) if source in {s.value for s in SourceType} else SourceType.UNKNOWN
            return TorchxEvent(**known)
        except (ValueError, TypeError, RecursionError) as e:
            raise MalformedEventError(f"not a serialized event: {data[:200]!r}") from e

    def serialize(self) -> str:
        """The event as one line of JSON."""
        return json.dumps({**asdict(self), "source": self.source.value})
