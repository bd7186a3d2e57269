"""Results of trials by key: a job puts them, the process that started it gets them."""

from __future__ import annotations

import json
import os
import posixpath
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FsspecResultTracker", "ResultTracker"]


class ResultTracker(ABC):
    """Keeps the results of trials, each under a key such as the trial's number."""

    def __getitem__(self, key: int | str) -> dict[str, int | float | str]:
        """The results under a key; see ``get``."""
        return self.get(key)

    def __setitem__(self, key: int | str, results: Mapping[str, int | float | str]) -> None:
        """Puts the results under a key; see ``put``."""
        self.put(key, **results)

    @abstractmethod
    def put(self, key: int | str, **results: int | float | str) -> None:
        """Keeps results under a key, in place of what was there."""

    @abstractmethod
    def get(self, key: int | str) -> dict[str, int | float | str]:
        """The results under a key; empty where there are none."""


class FsspecResultTracker(ResultTracker):
    """Keeps each key's results as one JSON file, on anything that fsspec can reach.

    Readers see the old results or the new ones, never a part.

    Args:
        tracker_base: path or URL of the folder; it is created with the first results.
    """

    def __init__(self, tracker_base: str) -> None:
        from fsspec.core import url_to_fs

        self._fs, self._base = url_to_fs(tracker_base)

    def put(self, key: int | str, **results: int | float | str) -> None:
        """Keeps results under a key, in place of what was there."""
        self._fs.makedirs(self._base, exist_ok=True)
        path = self._path(key)
        temporary = f"{path}.{os.urandom(8).hex()}.tmp"
        self._fs.pipe_file(temporary, json.dumps(results).encode())
        self._fs.mv(temporary, path)

    def get(self, key: int | str) -> dict[str, int | float | str]:
        """The results under a key; empty where there are none."""
        try:
            results: dict[str, int | float | str] = json.loads(self._fs.cat_file(self._path(key)))
        except FileNotFoundError:
            return {}
        return results

    def _path(self, key: int | str) -> str:
        return posixpath.join(self._base, f"{quote(str(key), safe='')}.json")
