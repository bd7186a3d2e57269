"""What was found out before, kept below ``$TORCHX_HOME/images``: it only saves work, and may be deleted."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION = 3
#: Records kept of each kind; the oldest go first.
KEEP = 200


class Memory:
    """One record.

    Args:
        kind: the folder of its kind.
        key: what it is about; plain values.
    """

    def __init__(self, kind: str, key: Sequence[object]) -> None:
        import hashlib
        import json

        from torchx.specs import TORCHX_HOME

        name = hashlib.sha256(json.dumps([_VERSION, *key], default=str).encode()).hexdigest()[:40]
        self._path = str(TORCHX_HOME("images", kind, f"{name}.json"))

    def recall(self) -> dict[str, Any] | None:
        """What was stored; None where there is nothing that can be read."""
        import json

        try:
            with open(self._path, "rb") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def store(self, values: dict[str, Any]) -> None:
        """Replaces the record; a home folder that can't be written is no reason to fail."""
        import json
        import tempfile

        folder = os.path.dirname(self._path)
        with contextlib.suppress(OSError):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder)
            with open(handle, "w") as file:
                json.dump(values, file)
            os.replace(name, self._path)
            _forget_old(folder)


def _forget_old(folder: str) -> None:
    with os.scandir(folder) as entries:
        found = [(entry.stat().st_mtime_ns, entry.path) for entry in entries]
    for _, path in sorted(found)[:-KEEP]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
