"""Small JSON records in folders of any fsspec file system, each written once and whole, and never changed."""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import time
from typing import TYPE_CHECKING, Any

from torchx.errors import TorchXError
from torchx.tracker._settings import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import fsspec

WHOLE_OBJECT_PROTOCOLS = frozenset({"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss"})
"""Stores where a file appears whole or not at all, and has no rename; elsewhere it is written beside its place and
renamed."""

WRAPPERS = frozenset({"dir", "simplecache", "filecache", "blockcache", "cached"})
"""Protocols of a file system that hands everything on to another one, its attribute ``fs``."""

LONGEST_REASON = 300
"""Characters of another program's error that are shown."""


class TrackerStoreError(TorchXError, OSError):
    """The place where a tracker keeps runs can't be read or written."""


class RecordStore:
    """Records below one folder.

    Args:
        fs: the file system.
        root: the folder, as the file system names it; it is created with the first record.
    """

    def __init__(self, fs: fsspec.AbstractFileSystem, root: str) -> None:
        self._fs = fs
        self._root = root.rstrip("/") or "/"
        self._whole = not WHOLE_OBJECT_PROTOCOLS.isdisjoint(protocols(innermost(fs)))
        self._local = "file" in protocols(fs)

    def write(self, record: Mapping[str, object], *parts: str) -> None:
        """Writes one record, which readers see whole or not at all.

        Args:
            record: what :func:`torchx.tracker._settings.to_json` takes.
            parts: folders below the root, and the record's name.

        Raises:
            TrackerStoreError: it can't be written.
        """
        data = to_json(record).encode()
        path = posixpath.join(self._root, *parts)
        with self._failing("write", "name a place that may be written to, as an absolute path or a URL"):
            self._write(path, f"{path}.json", data)

    def read(self, *parts: str) -> list[Any]:
        """The records of a folder, in the order of their names.

        Raises:
            TrackerStoreError: they can't be read.
        """
        folder = posixpath.join(self._root, *parts)
        paths = [posixpath.join(folder, f"{name}.json") for name in self.names(*parts)]
        with self._failing("read"):
            return [json.loads(data) for data in self._contents(paths)]

    def names(self, *parts: str) -> list[str]:
        """Names of the records of a folder, sorted; what is just being written is none."""
        names = (posixpath.basename(entry["name"]) for entry in self._list(*parts))
        return sorted(name[: -len(".json")] for name in names if name.endswith(".json"))

    def folders(self) -> list[str]:
        """Names of the folders in the root."""
        entries = (entry for entry in self._list() if entry["type"] == "directory")
        return [posixpath.basename(entry["name"].rstrip("/")) for entry in entries]

    def _write(self, path: str, final: str, data: bytes) -> None:
        if self._whole:
            self._fs.pipe_file(final, data)
            return
        self._fs.makedirs(posixpath.dirname(path), exist_ok=True)
        temporary = f"{path}.{generate_filename()}.tmp"
        if self._local:
            _write_local(temporary, final, data)
            return
        self._fs.pipe_file(temporary, data)
        self._fs.mv(temporary, final)

    def _contents(self, paths: list[str]) -> Iterable[bytes]:
        if len(paths) < 2 or not set("*?[").isdisjoint(self._root):
            return [self._fs.cat_file(path) for path in paths]
        # One call for all files: file systems over a network then fetch them at once. It would expand a pattern.
        contents: Mapping[str, bytes] = self._fs.cat(paths)
        return [contents[key] for key in sorted(contents, key=posixpath.basename)]

    def _list(self, *parts: str) -> list[Mapping[str, Any]]:
        folder = posixpath.join(self._root, *parts)
        with self._failing("read"):
            # What another process has just written must be seen: file systems may answer from a cache of listings.
            for fs in (self._fs, innermost(self._fs)):
                fs.invalidate_cache()
            try:
                entries: list[Mapping[str, Any]] = self._fs.ls(folder, detail=True)
            except FileNotFoundError:
                return []
            return entries

    @contextlib.contextmanager
    def _failing(self, what: str, hint: str | None = None) -> Iterator[None]:
        """Tells in one line what a file system, or the client of a service, has raised: any exception."""
        from torchx.util.masking import mask_text

        try:
            yield
        except Exception as e:
            place = self._root if "://" in self._root or self._local else f"{protocols(self._fs)[0]}://{self._root}"
            raise TrackerStoreError(mask_text(f"can't {what} runs at `{place}`: {reason(e)}"), hint=hint) from e


def generate_filename() -> str:
    """A file name without a suffix that nobody else makes; such names sort by the time when they were made."""
    return f"{time.time_ns():020d}-{os.urandom(8).hex()}"


def protocols(fs: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    """The names of a file system in URLs."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def innermost(fs: Any) -> Any:
    """The file system that does the work, behind those that only hand everything on."""
    while not WRAPPERS.isdisjoint(protocols(fs)) and getattr(fs, "fs", None) is not None:
        fs = fs.fs
    return fs


def reason(error: Exception) -> str:
    """What an exception says, in one line that somebody can read."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


def _write_local(temporary: str, final: str, data: bytes) -> None:
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, final)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
