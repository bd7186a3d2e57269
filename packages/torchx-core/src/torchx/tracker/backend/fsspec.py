"""A tracker that keeps runs as small JSON files in a folder, on anything that fsspec can reach.

The folder's layout::

    <root>/<run>/metadata/<record>.json     {"lr": 0.1}
    <root>/<run>/artifacts/<record>.json    {"name": ..., "path": ..., "metadata": ...}
    <root>/<run>/sources/<record>.json      {"source_run_id": ..., "artifact_name": ...}
    <root>/.children/<run>/<child>.json     {"run_id": ...}

Each call adds a file of its own and none is ever changed, so that any number of replicas may write at once and lose
nothing. Files are named by time, and are read in that order: the last one wins where a name is recorded twice. Ids and
names are percent-encoded in paths, so that an app handle is one folder and no name leaves the root.
"""

from __future__ import annotations

import json
import os
import posixpath
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from torchx.errors import UsageError
from torchx.tracker._settings import SETTINGS_SUFFIXES, absolute, read_settings, to_json
from torchx.tracker.api import Lineage, TrackerArtifact, TrackerBase, TrackerSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import fsspec

__all__ = ["FsspecTracker", "create", "generate_filename"]

NAME = "fsspec"

CHILDREN = ".children"
"""Folder below the root with the reverse of the sources; its leading dot keeps it apart from any encoded run id."""

WHOLE_OBJECT_PROTOCOLS = frozenset({"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss"})
"""Stores where a file appears whole or not at all; elsewhere a file is written beside its place and renamed."""


def generate_filename() -> str:
    """A file name without a suffix that nobody else makes; such names sort by the time when they were made."""
    return f"{time.time_ns():020d}-{os.urandom(8).hex()}"


class FsspecTracker(TrackerBase):
    """Keeps runs as files below a folder of a file system.

    Args:
        fs: the file system.
        root_dir: the folder, as the file system names it; it is created with the first record.
    """

    def __init__(self, fs: fsspec.AbstractFileSystem, root_dir: str) -> None:
        self._fs = fs
        self._root = root_dir.rstrip("/") or "/"

    def add_artifact(self, run_id: str, name: str, path: str, metadata: Mapping[str, object] | None = None) -> None:
        """Records an artifact; see ``TrackerBase.add_artifact``. The metadata must fit into JSON."""
        record = {"name": name, "path": path, "metadata": None if metadata is None else dict(metadata)}
        self._write(self._path(run_id, "artifacts", generate_filename()), record)

    def artifacts(self, run_id: str) -> Mapping[str, TrackerArtifact]:
        """The artifacts of a run by name."""
        records = self._read_all(self._path(run_id, "artifacts"))
        return {r["name"]: TrackerArtifact(r["name"], r["path"], r["metadata"]) for r in records}

    def add_metadata(self, run_id: str, **metadata: object) -> None:
        """Records values; see ``TrackerBase.add_metadata``.

        What JSON has no form for is kept as near as possible: arrays and tensors as numbers or lists, a date in ISO
        form, a set as a list, anything else as its text.
        """
        self._write(self._path(run_id, "metadata", generate_filename()), metadata)

    def metadata(self, run_id: str) -> Mapping[str, object]:
        """The values of a run by name."""
        merged: dict[str, object] = {}
        for record in self._read_all(self._path(run_id, "metadata")):
            merged.update(record)
        return merged

    def add_source(self, run_id: str, source_id: str, artifact_name: str | None = None) -> None:
        """Records a source; see ``TrackerBase.add_source``. The same source of all replicas is one source."""
        # The child's entry comes first: should the second write fail, asking again repairs it.
        self._write(self._join(CHILDREN, _encode(source_id), _encode(run_id)), {"run_id": run_id})
        record = {"source_run_id": source_id, "artifact_name": artifact_name}
        self._write(self._path(run_id, "sources", generate_filename()), record)

    def sources(self, run_id: str, artifact_name: str | None = None) -> Iterable[TrackerSource]:
        """What a run was made from, each source once, in the order in which they were added."""
        records = self._read_all(self._path(run_id, "sources"))
        unique = dict.fromkeys((r["source_run_id"], r["artifact_name"]) for r in records)
        return [TrackerSource(run, name) for run, name in unique if artifact_name is None or name == artifact_name]

    def run_ids(  # type: ignore[override]  # a caller cannot know which conditions a tracker has: one is documented
        self, parent_run_id: str | None = None
    ) -> Iterable[str]:
        """Ids of the runs, sorted.

        Args:
            parent_run_id: only the runs that named this run as a source.
        """
        if parent_run_id is not None:
            return sorted(unquote(name) for name in self._names(self._join(CHILDREN, _encode(parent_run_id))))
        folders = (entry for entry in self._list(self._root) if entry["type"] == "directory")
        names = (posixpath.basename(entry["name"].rstrip("/")) for entry in folders)
        return sorted(unquote(name) for name in names if not name.startswith("."))

    def lineage(self, run_id: str) -> Lineage:
        """What a run was made from, and the runs that were made from it."""
        return Lineage(run_id, list(self.sources(run_id)), list(self.run_ids(parent_run_id=run_id)))

    def _join(self, *parts: str) -> str:
        return posixpath.join(self._root, *parts)

    def _path(self, run_id: str, *parts: str) -> str:
        return self._join(_encode(run_id), *parts)

    def _write(self, path: str, record: Mapping[str, object]) -> None:
        """Writes one file that readers see whole or not at all."""
        data = to_json(record).encode()
        final = f"{path}.json"
        if not WHOLE_OBJECT_PROTOCOLS.isdisjoint(_protocols(self._fs)):
            self._fs.pipe_file(final, data)
            return
        self._fs.makedirs(posixpath.dirname(path), exist_ok=True)
        temporary = f"{path}.{generate_filename()}.tmp"
        if "file" in _protocols(self._fs):
            _write_local(temporary, final, data)
            return
        self._fs.pipe_file(temporary, data)
        self._fs.mv(temporary, final)

    def _read_all(self, folder: str) -> Iterator[Any]:
        """The records of a folder, in the order in which they were written."""
        paths = [posixpath.join(folder, f"{name}.json") for name in self._names(folder)]
        for data in self._contents(paths):
            yield json.loads(data)

    def _contents(self, paths: list[str]) -> Iterable[bytes]:
        if len(paths) < 2 or not set("*?[").isdisjoint(self._root):
            return [self._fs.cat_file(path) for path in paths]
        # One call for all files: file systems over a network then fetch them at once. It would expand a pattern.
        contents: Mapping[str, bytes] = self._fs.cat(paths)
        return [contents[key] for key in sorted(contents, key=posixpath.basename)]

    def _names(self, folder: str) -> list[str]:
        """Names of the records of a folder, sorted; what is just being written is none."""
        names = (posixpath.basename(entry["name"]) for entry in self._list(folder))
        return sorted(name[: -len(".json")] for name in names if name.endswith(".json"))

    def _list(self, folder: str) -> list[Mapping[str, Any]]:
        # What another process has just written must be seen: file systems may answer from a cache of listings.
        self._fs.invalidate_cache(folder)
        try:
            entries: list[Mapping[str, Any]] = self._fs.ls(folder, detail=True)
        except FileNotFoundError:
            return []
        return entries


def create(config_file: str | None) -> TrackerBase:
    """Makes the tracker from its configuration.

    Args:
        config_file: the folder for the runs, as a URL of any fsspec file system (``s3://bucket/runs``) or an absolute
            path; or the absolute path or URL of a ``.json`` or ``.toml`` file with ``protocol``, ``root_path`` and, as
            all other keys, the file system's own options.

    Raises:
        UsageError: there is no configuration, it names no absolute place, or the file system cannot be made.
    """
    if not config_file:
        raise UsageError(
            f"the tracker `{NAME}` does not know where to keep runs",
            hint="set `config` in [tracker:fsspec] of .torchxconfig to an absolute path or a URL such as s3://bucket/runs",
        )
    from fsspec.core import url_to_fs

    settings: dict[str, Any] = {}
    url = config_file
    if config_file.endswith(SETTINGS_SUFFIXES):
        settings = read_settings(NAME, config_file)
        url = _url(settings.pop("protocol", None), settings.pop("root_path", None), config_file)
    url = absolute(NAME, url)
    try:
        fs, path = url_to_fs(url, **settings)
    except (ImportError, ValueError, TypeError) as e:
        raise UsageError(f"the tracker `{NAME}` cannot use `{url}`: {e}") from e
    return FsspecTracker(fs, path)


def _url(protocol: object, root_path: object, config_file: str) -> str:
    if not isinstance(root_path, str) or not root_path:
        raise UsageError(f"the configuration `{config_file}` of the tracker `{NAME}` lacks `root_path`")
    return f"{protocol}://{root_path}" if protocol and "://" not in root_path else root_path


def _encode(name: str) -> str:
    """A run id or name as one part of a path; also ``.`` and ``..``, which quoting leaves alone, name nothing else."""
    encoded = quote(name, safe="")
    return f"%2E{encoded[1:]}" if encoded.startswith(".") else encoded


def _protocols(fs: fsspec.AbstractFileSystem) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)


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
