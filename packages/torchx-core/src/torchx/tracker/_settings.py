"""What trackers share: reading a settings file, and turning any value into JSON."""

from __future__ import annotations

import json
import os
from typing import Any

from torchx.errors import UsageError

SETTINGS_SUFFIXES = (".json", ".toml")


def read_settings(tracker: str, path: str) -> dict[str, Any]:
    """The settings of a tracker from a file.

    Args:
        tracker: the tracker's name, for messages.
        path: absolute path or URL of a ``.json`` or ``.toml`` file.

    Raises:
        UsageError: the file cannot be read, or holds no table.
    """
    import fsspec

    from torchx.util.configfile import toml_loads

    try:
        with fsspec.open(absolute(tracker, path), "r", encoding="utf-8") as file:
            text = file.read()
        settings = json.loads(text) if path.endswith(".json") else toml_loads(text)
    except (OSError, ValueError, ImportError) as e:
        raise UsageError(f"the configuration `{path}` of the tracker `{tracker}` cannot be read: {e}") from e
    if not isinstance(settings, dict):
        raise UsageError(f"the configuration `{path}` of the tracker `{tracker}` is not a table of settings")
    return settings


def absolute(tracker: str, url: str) -> str:
    """A URL as it is, a local path without ``file://`` and ``~``.

    Raises:
        UsageError: the path is relative; replicas do not run in the folder where the job was submitted.
    """
    scheme, _, rest = url.rpartition("://")
    if scheme not in ("", "file", "local"):
        return url
    path = os.path.expanduser(rest)
    if not os.path.isabs(path):
        raise UsageError(
            f"the tracker `{tracker}` needs an absolute place, not `{url}`",
            hint="replicas run in other folders: write an absolute path or a URL",
        )
    return path


def to_json(value: object) -> str:
    """A value as JSON.

    What JSON has no form for is kept as near as possible: arrays and tensors as numbers or lists, a date in ISO form, a
    set as a list, anything else as its text.
    """
    return json.dumps(value, default=_plain)


def _plain(value: object) -> object:
    tolist = getattr(value, "tolist", None)  # arrays, tensors, and the scalars of NumPy
    if callable(tolist):
        return tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else str(value)
