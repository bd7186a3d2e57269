"""One structured record for each call of the runner: what was called, on what, how long it took, how it ended.

``TORCHX_EVENTS`` names the destinations, separated by commas: ``console``, ``log``, ``otel``, ``null``, or the name of
an event handler plugin. Where it is not set, every installed event handler plugin gets the records. A destination
never makes a call fail, and those that may be slow are served beside it.
"""

from __future__ import annotations

from torchx.runner.events.recorder import flush, log_event, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.runner.events.api import SourceType, TorchxEvent

__all__ = ["SourceType", "TorchxEvent", "flush", "log_event", "record"]


def __getattr__(name: str) -> object:
    # Most runs record nothing: the record's own module is only imported where there is a destination.
    if name in ("SourceType", "TorchxEvent"):
        from torchx.runner.events import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
