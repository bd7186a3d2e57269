"""What ``torchx tracker list`` shows: plain records, read from the trackers that are configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchx.errors import UsageError, nearest
from torchx.tracker.api import load_tracker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchx.tracker.api import TrackerBase

__all__ = ["UnknownRunError", "artifact_records", "find_run", "job_records", "metadata_record", "open_tracker"]


class UnknownRunError(UsageError, KeyError):
    """The tracker knows no run of this id."""


def open_tracker(trackers: Mapping[str, str | None]) -> TrackerBase:
    """The tracker to read from: the first of those that are configured.

    Args:
        trackers: tracker name -> configuration, as ``torchx.runner.config.configured_trackers`` gives them.

    Raises:
        UsageError: no tracker is configured.
    """
    for name, config in trackers.items():
        return load_tracker(name, config)
    raise UsageError(
        "no tracker is configured",
        hint="name one below [torchx:tracker] in .torchxconfig, for example `fsspec = /mnt/shared/runs`",
    )


def job_records(tracker: TrackerBase, parent_run_id: str | None = None) -> list[dict[str, Any]]:
    """One record a run: ``{"run_id": ...}``.

    Args:
        tracker: where to read.
        parent_run_id: only the runs that were made from this run.

    Raises:
        UnknownRunError: there is no run ``parent_run_id``, nor one that was made from it.
    """
    if parent_run_id is None:
        return [{"run_id": run_id} for run_id in tracker.run_ids()]
    children = list(tracker.run_ids(parent_run_id=parent_run_id))
    if not children:
        children = list(tracker.run_ids(parent_run_id=find_run(tracker, parent_run_id)))
    return [{"run_id": run_id} for run_id in children]


def metadata_record(tracker: TrackerBase, run_id: str) -> dict[str, Any]:
    """The values of a run by name.

    Raises:
        UnknownRunError: there is no such run.
    """
    return dict(tracker.metadata(find_run(tracker, run_id)))


def artifact_records(tracker: TrackerBase, run_id: str, artifact: str | None = None) -> list[dict[str, Any]]:
    """One record an artifact of a run: ``{"name": ..., "path": ..., "metadata": ...}``.

    Args:
        tracker: where to read.
        run_id: the run.
        artifact: only the artifact of this name; by default all.

    Raises:
        UnknownRunError: there is no such run.
        UsageError: the run has no artifact of this name.
    """
    found = tracker.artifacts(find_run(tracker, run_id))
    if artifact is not None and artifact not in found:
        raise UsageError(f"the run `{run_id}` has no artifact `{artifact}`", hint=nearest(artifact, found))
    return [
        {"name": item.name, "path": item.path, "metadata": item.metadata}
        for name, item in found.items()
        if artifact is None or name == artifact
    ]


def find_run(tracker: TrackerBase, run_id: str) -> str:
    """The full id of a run that is given by its full id, or by the app id at the end of it where only one run has it.

    Raises:
        UnknownRunError: there is no such run, or the app id stands for several.
    """
    known = list(tracker.run_ids())
    if run_id in known:
        return run_id
    matches = [full for full in known if full.rpartition("/")[2] == run_id]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UnknownRunError(f"`{run_id}` is the app id of {len(matches)} runs", hint=f"one of: {', '.join(matches)}")
    raise UnknownRunError(f"there is no run `{run_id}`", hint=nearest(run_id, known))
