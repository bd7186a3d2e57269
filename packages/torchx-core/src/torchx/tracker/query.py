"""What ``torchx tracker list`` shows: plain records, read from all trackers that are configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchx.errors import UsageError, nearest
from torchx.tracker.api import load_tracker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchx.tracker.api import TrackerArtifact, TrackerBase

__all__ = ["UnknownRunError", "artifact_records", "find_run", "job_records", "metadata_record", "open_trackers"]


class UnknownRunError(UsageError, KeyError):
    """No tracker knows a run of this id."""


def open_trackers(configured: Mapping[str, str | None]) -> list[TrackerBase]:
    """The trackers to read from.

    Args:
        configured: tracker name -> configuration, as ``torchx.runner.config.configured_trackers`` gives them.

    Raises:
        UsageError: no tracker is configured.
    """
    if not configured:
        raise UsageError(
            "no tracker is configured",
            hint="name one in .torchxconfig, for example [torchx:tracker] with `fsspec = /path/of/the/runs` below it",
        )
    return [load_tracker(name, config) for name, config in configured.items()]


def job_records(trackers: Sequence[TrackerBase], parent_run_id: str | None = None) -> list[dict[str, Any]]:
    """One record a run, each run once: ``{"run_id": ...}``.

    Args:
        trackers: where to read.
        parent_run_id: only the runs that were made from this run.

    Raises:
        UnknownRunError: there is no run ``parent_run_id``, nor one that was made from it.
    """
    if parent_run_id is None:
        return [{"run_id": run_id} for run_id in _run_ids(trackers)]
    # A parent need not be known itself: its job may have recorded nothing, or elsewhere.
    children = _run_ids(trackers, parent_run_id=parent_run_id)
    if not children:
        children = _run_ids(trackers, parent_run_id=find_run(trackers, parent_run_id))
    return [{"run_id": run_id} for run_id in children]


def metadata_record(trackers: Sequence[TrackerBase], run_id: str) -> dict[str, Any]:
    """The values of a run by name; the first tracker that has a value wins.

    Raises:
        UnknownRunError: there is no such run.
    """
    full = find_run(trackers, run_id)
    merged: dict[str, Any] = {}
    for tracker in trackers:
        for name, value in tracker.metadata(full).items():
            merged.setdefault(name, value)
    return merged


def artifact_records(trackers: Sequence[TrackerBase], run_id: str, artifact: str | None = None) -> list[dict[str, Any]]:
    """One record an artifact of a run: ``{"name": ..., "path": ..., "metadata": ...}``.

    Args:
        trackers: where to read; an artifact that two of them keep at two places is two records.
        run_id: the run.
        artifact: only the artifact of this name; by default all.

    Raises:
        UnknownRunError: there is no such run.
        UsageError: the run has no artifact of this name.
    """
    full = find_run(trackers, run_id)
    found: dict[tuple[str, str], TrackerArtifact] = {}
    for tracker in trackers:
        for item in tracker.artifacts(full).values():
            found.setdefault((item.name, item.path), item)
    names = {name for name, _ in found}
    if artifact is not None and artifact not in names:
        raise UsageError(f"the run `{full}` has no artifact `{artifact}`", hint=nearest(artifact, names))
    return [
        {"name": item.name, "path": item.path, "metadata": item.metadata}
        for item in found.values()
        if artifact is None or item.name == artifact
    ]


def find_run(trackers: Sequence[TrackerBase], run_id: str) -> str:
    """The full id of a run that is given by its full id, or by the app id at the end of it where only one run has it.

    Raises:
        UnknownRunError: there is no such run, or the app id stands for several.
    """
    known = _run_ids(trackers)
    if run_id in known:
        return run_id
    matches = [full for full in known if full.rpartition("/")[2] == run_id]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UnknownRunError(f"`{run_id}` is the app id of {len(matches)} runs", hint=f"one of: {', '.join(matches)}")
    raise UnknownRunError(f"there is no run `{run_id}`", hint=nearest(run_id, known))


def _run_ids(trackers: Sequence[TrackerBase], **conditions: str) -> list[str]:
    return list(dict.fromkeys(run_id for tracker in trackers for run_id in tracker.run_ids(**conditions)))
