"""A tracker that keeps runs as small JSON files in a folder, on anything that fsspec can reach.

The folder's layout::

    <root>/<run>/metadata/<record>.json     {"lr": 0.1}
    <root>/<run>/artifacts/<record>.json    {"name": ..., "path": ..., "metadata": ...}
    <root>/<run>/sources/<record>.json      {"source_run_id": ..., "artifact_name": ...}
    <root>/.children/<run>/<child>.json     {"run_id": ...}
    <root>/<run>/id/run_id.json             {"run_id": ...}, where the id is too long for a folder's name

Each call adds a file of its own and none is ever changed, so that any number of replicas may write at once and lose
nothing. Files are named by time, and are read in that order: the last one wins where a name is recorded twice. Ids and
names are percent-encoded in paths, so that an app handle is one folder and no name leaves the root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from torchx.errors import UsageError
from torchx.tracker._settings import SETTINGS_SUFFIXES, absolute, read_settings
from torchx.tracker._store import WRAPPERS, RecordStore, TrackerStoreError, generate_filename, reason
from torchx.tracker.api import Lineage, TrackerArtifact, TrackerBase, TrackerSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import fsspec

__all__ = ["FsspecTracker", "TrackerStoreError", "create", "generate_filename"]

NAME = "fsspec"

CHILDREN = ".children"
"""Folder below the root with the reverse of the sources; its leading dot keeps it apart from any encoded run id."""

LONGEST_NAME = 200
"""Characters of a folder's name. File systems take 255 bytes, and the name of a file being written is longer still."""

LONGEST_START = 100
"""Characters of a longer name that stay, for those who look into the folder; a digest of all of it follows."""

SHORTENED = "%~"
"""Stands before the digest. Two hexadecimal digits follow a ``%`` in all other names."""


class FsspecTracker(TrackerBase):
    """Keeps runs as files below a folder of a file system.

    Args:
        fs: the file system.
        root_dir: the folder, as the file system names it; it is created with the first record.
    """

    def __init__(self, fs: fsspec.AbstractFileSystem, root_dir: str) -> None:
        self._records = RecordStore(fs, root_dir)

    def add_artifact(self, run_id: str, name: str, path: str, metadata: Mapping[str, object] | None = None) -> None:
        """Records an artifact; see ``TrackerBase.add_artifact``. The metadata must fit into JSON."""
        record = {"name": name, "path": path, "metadata": None if metadata is None else dict(metadata)}
        self._add(run_id, "artifacts", record)

    def _add(self, run_id: str, kind: str, record: Mapping[str, object]) -> None:
        folder = _encode(run_id)
        if SHORTENED in folder:  # written ahead of all else: there is no run without its id
            self._records.write({"run_id": run_id}, folder, "id", "run_id")
        self._records.write(record, folder, kind, generate_filename())

    def _run_id(self, folder: str) -> list[str]:
        """The id of the run in a folder; nothing while it is just being written."""
        if SHORTENED not in folder:
            return [_decode(folder)]
        return [record["run_id"] for record in self._records.read(folder, "id")]

    def artifacts(self, run_id: str) -> Mapping[str, TrackerArtifact]:
        """The artifacts of a run by name."""
        records = self._records.read(_encode(run_id), "artifacts")
        return {r["name"]: TrackerArtifact(r["name"], r["path"], r["metadata"]) for r in records}

    def add_metadata(self, run_id: str, **metadata: object) -> None:
        """Records values; see ``TrackerBase.add_metadata``.

        What JSON has no form for is kept as near as possible: arrays and tensors as numbers or lists, a date in ISO
        form, a set as a list, anything else as its text.
        """
        self._add(run_id, "metadata", metadata)

    def metadata(self, run_id: str) -> Mapping[str, object]:
        """The values of a run by name."""
        merged: dict[str, object] = {}
        for record in self._records.read(_encode(run_id), "metadata"):
            merged.update(record)
        return merged

    def add_source(self, run_id: str, source_id: str, artifact_name: str | None = None) -> None:
        """Records a source; see ``TrackerBase.add_source``. The same source of all replicas is one source."""
        # The child's entry comes first: should the second write fail, asking again repairs it.
        self._records.write({"run_id": run_id}, CHILDREN, _encode(source_id), _encode(run_id))
        record = {"source_run_id": source_id, "artifact_name": artifact_name}
        self._add(run_id, "sources", record)

    def sources(self, run_id: str, artifact_name: str | None = None) -> Iterable[TrackerSource]:
        """What a run was made from, each source once, in the order in which they were added."""
        records = self._records.read(_encode(run_id), "sources")
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
            names = self._records.names(CHILDREN, _encode(parent_run_id))
            if any(SHORTENED in name for name in names):
                return sorted(record["run_id"] for record in self._records.read(CHILDREN, _encode(parent_run_id)))
            return sorted(map(_decode, names))
        folders = (name for name in self._records.folders() if not name.startswith("."))
        return sorted(run_id for folder in folders for run_id in self._run_id(folder))

    def lineage(self, run_id: str) -> Lineage:
        """What a run was made from, and the runs that were made from it."""
        return Lineage(run_id, list(self.sources(run_id)), list(self.run_ids(parent_run_id=run_id)))


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

    from torchx.util.masking import mask_text

    settings: dict[str, Any] = {}
    url = config_file
    if config_file.endswith(SETTINGS_SUFFIXES):
        settings = read_settings(NAME, config_file)
        url = _url(settings.pop("protocol", None), settings.pop("root_path", None), config_file)
    url = absolute(NAME, url)
    scheme = url.partition("://")[0]
    if scheme in WRAPPERS and not settings:
        raise UsageError(
            f"the tracker `{NAME}` cannot use `{url}`: `{scheme}` needs another file system behind it",
            hint=f"write `{scheme}::` before that one's URL, as in `{scheme}::file:///shared/runs`",
        )
    try:
        fs, path = url_to_fs(url, **settings)
    except Exception as e:  # a file system that connects raises whatever its client does
        raise UsageError(mask_text(f"the tracker `{NAME}` cannot use `{url}`: {reason(e)}")) from e
    return FsspecTracker(fs, path)


def _url(protocol: object, root_path: object, config_file: str) -> str:
    if not isinstance(root_path, str) or not root_path:
        raise UsageError(f"the configuration `{config_file}` of the tracker `{NAME}` lacks `root_path`")
    return f"{protocol}://{root_path}" if protocol and "://" not in root_path else root_path


def _encode(name: str) -> str:
    """A run id or name as one part of a path; also ``.`` and ``..``, which quoting leaves alone, name nothing else."""
    encoded = quote(name, safe="", errors="surrogatepass")
    if encoded.startswith("."):
        encoded = f"%2E{encoded[1:]}"
    if len(encoded) <= LONGEST_NAME:
        return encoded
    import hashlib

    return f"{encoded[:LONGEST_START]}{SHORTENED}{hashlib.sha256(encoded.encode()).hexdigest()}"


def _decode(encoded: str) -> str:
    return unquote(encoded, errors="surrogatepass")
