"""Experiment tracking: what a job reports about itself (metadata, artifacts, lineage), and where that is kept.

Inside of a job, ``AppRun.run_from_env()`` (or ``torchx.tracker.app_run_from_env()``) gives the run, which passes what
is added on to all trackers that the job was submitted with. A tracker plugin implements ``TrackerBase``.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from abc import ABC, abstractmethod

from torchx.settings import ENV_TORCHX_JOB_ID, ENV_TORCHX_PARENT_RUN_ID, ENV_TORCHX_TRACKERS
from torchx.util.light_dataclass import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "ENV_TORCHX_JOB_ID",
    "ENV_TORCHX_PARENT_RUN_ID",
    "ENV_TORCHX_TRACKERS",
    "AppRun",
    "AppRunTrackableSource",
    "Lineage",
    "TrackerArtifact",
    "TrackerBase",
    "TrackerSource",
    "build_trackers",
    "load_tracker",
    "split_tracker_names",
    "tracker_config_env_var_name",
    "tracker_environment",
    "trackers_from_environ",
]

UNDEFINED_RUN_ID = "<UNDEFINED>"
"""The run id outside of a job."""


@dataclass
class TrackerSource:
    """A run that another run was made from.

    Attributes:
        source_run_id: the run that was used.
        artifact_name: the artifact of it that was used; None where the whole run is meant.
    """

    source_run_id: str
    artifact_name: str | None


@dataclass
class TrackerArtifact:
    """A file or folder that a run made.

    Attributes:
        name: the artifact's name, unique within the run.
        path: where it is, as the job gave it: a path or a URL.
        metadata: what the job said about it.
    """

    name: str
    path: str
    metadata: Mapping[str, object] | None


@dataclass
class AppRunTrackableSource:
    """A source of a run, as ``AppRun.sources`` tells it.

    Attributes:
        parent: the run that was used.
        artifact_name: the artifact of it that was used; None where the whole run is meant.
    """

    parent: AppRun
    artifact_name: str | None


@dataclass
class Lineage:
    """Where a run comes from, and what came from it; one step in each direction.

    Attributes:
        run_id: the run.
        sources: what it was made from.
        children: ids of the runs that named it as a source.
    """

    run_id: str = ""
    sources: list[TrackerSource] = field(default_factory=list)
    children: list[str] = field(default_factory=list)


class TrackerBase(ABC):
    """Where runs are kept: the interface of a tracker plugin.

    All replicas of a job may write to the same run at once; nothing that one of them added may get lost.
    """

    @abstractmethod
    def add_artifact(self, run_id: str, name: str, path: str, metadata: Mapping[str, object] | None = None) -> None:
        """Records an artifact of a run; one of the same name is replaced. The file itself stays where it is."""

    @abstractmethod
    def artifacts(self, run_id: str) -> Mapping[str, TrackerArtifact]:
        """The artifacts of a run by name; empty for an unknown run."""

    @abstractmethod
    def add_metadata(self, run_id: str, **kwargs: object) -> None:
        """Records values of a run; a value of the same name is replaced, all others stay."""

    @abstractmethod
    def metadata(self, run_id: str) -> Mapping[str, object]:
        """The values of a run by name; empty for an unknown run."""

    @abstractmethod
    def add_source(self, run_id: str, source_id: str, artifact_name: str | None = None) -> None:
        """Records that a run was made from another one, or from one artifact of it."""

    @abstractmethod
    def sources(self, run_id: str, artifact_name: str | None = None) -> Iterable[TrackerSource]:
        """What a run was made from.

        Args:
            run_id: the run.
            artifact_name: only the sources with this artifact; by default all.
        """

    @abstractmethod
    def lineage(self, run_id: str) -> Lineage:
        """What a run was made from, and what was made from it."""

    @abstractmethod
    def run_ids(self, **kwargs: str) -> Iterable[str]:
        """Ids of the runs.

        Args:
            kwargs: conditions of the tracker; ``parent_run_id`` (only runs that named that run as a source) is the one
                that all trackers should know.
        """


def tracker_config_env_var_name(entrypoint_key: str) -> str:
    """The environment variable that carries a tracker's configuration; what no variable's name may hold becomes ``_``.

    >>> tracker_config_env_var_name("my_tracker")
    'TORCHX_TRACKER_MY_TRACKER_CONFIG'
    """
    key = "".join(c if c.isascii() and c.isalnum() else "_" for c in entrypoint_key)
    return f"TORCHX_TRACKER_{key.upper()}_CONFIG"


def tracker_environment(trackers: Mapping[str, str | None]) -> dict[str, str]:
    """The environment that hands the trackers of a job to its replicas.

    Args:
        trackers: tracker name -> configuration, None where there is none.

    Returns:
        Variables to set for every replica; empty where there are no trackers.

    >>> tracker_environment({"fsspec": "/mnt/runs", "other": None})
    {'TORCHX_TRACKERS': 'fsspec,other', 'TORCHX_TRACKER_FSSPEC_CONFIG': '/mnt/runs'}
    """
    if not trackers:
        return {}
    env = {ENV_TORCHX_TRACKERS: ",".join(trackers)}
    for name, config in trackers.items():
        if config:
            env[tracker_config_env_var_name(name)] = config
    return env


def split_tracker_names(names: str) -> list[str]:
    """The names in a value of ``$TORCHX_TRACKERS``, which separates them with commas."""
    return list(dict.fromkeys(name for name in (part.strip() for part in names.split(",")) if name))


def load_tracker(name: str, config: str | None = None) -> TrackerBase:
    """Makes one tracker.

    Args:
        name: the name that the tracker's plugin has registered.
        config: the tracker's configuration.

    Raises:
        UnknownPluginError: there is no tracker of this name.
        PluginLoadError: the tracker's plugin cannot be loaded.
    """
    from torchx.plugins.manager import get_plugin_manager

    factory: Callable[[str | None], TrackerBase] = get_plugin_manager().get("trackers", name).load()  # type: ignore[assignment]  # a tracker's plugin refers to its factory
    return factory(config)


def build_trackers(factory_and_config: Mapping[str, str | None]) -> Iterable[TrackerBase]:
    """Makes the trackers of a job.

    A tracker that is not installed, or lacks a package that it needs, is left out with a warning: an image without it
    must not stop the job. One that refuses its configuration raises: what it would have kept would be lost unnoticed.

    Args:
        factory_and_config: tracker name -> configuration, None where there is none.
    """
    from torchx.plugins.errors import DuplicatePluginError, PluginLoadError, UnknownPluginError

    trackers = []
    for name, config in factory_and_config.items():
        try:
            trackers.append(load_tracker(name, config))
        except (UnknownPluginError, PluginLoadError, DuplicatePluginError, ModuleNotFoundError) as e:
            import logging

            from torchx.util.masking import mask_text

            logging.getLogger(__name__).warning("nothing is tracked with `%s`: %s", name, mask_text(str(e)))
    return trackers


def trackers_from_environ() -> Iterable[TrackerBase]:
    """The trackers that this process's job was submitted with."""
    names = split_tracker_names(os.environ.get(ENV_TORCHX_TRACKERS, ""))
    return build_trackers({name: os.environ.get(tracker_config_env_var_name(name)) for name in names})


@dataclass
class AppRun:
    """One run of a job, and the trackers that keep it.

    Attributes:
        id: the run's id: the job's app handle.
        backends: the trackers.
    """

    id: str
    backends: Iterable[TrackerBase]

    @staticmethod
    def run_from_env() -> AppRun:
        """The run that this process belongs to, made once per process.

        Where the job was submitted with a parent run, that run becomes a source of this one. Outside of a job the id
        is ``<UNDEFINED>`` and there are no trackers, so that a script runs the same without them.
        """
        job_id = os.environ.get(ENV_TORCHX_JOB_ID)
        if not job_id:
            return AppRun(UNDEFINED_RUN_ID, [])
        # The key is all that the run depends on, so that a changed environment (as in a notebook) gives a new run.
        key = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("TORCHX_")))
        with _runs_lock:
            run = _runs.get(key)
            if run is None:
                run = _runs[key] = _new_run(job_id)
        return run

    def job_id(self) -> str:
        """The id of the job that this run belongs to: its app handle."""
        return self.id

    def add_metadata(self, **kwargs: object) -> None:
        """Records values of this run with every tracker; see ``TrackerBase.add_metadata``.

        Raises:
            UsageError: a value is called ``run_id``, which is an argument of the trackers themselves.
        """
        if "run_id" in kwargs:
            from torchx.errors import UsageError

            raise UsageError("no value of a run can be called `run_id`", hint="the run has its id already: AppRun.id")
        for backend in self.backends:
            backend.add_metadata(self.id, **kwargs)

    def add_artifact(self, name: str, path: str, metadata: Mapping[str, object] | None = None) -> None:
        """Records an artifact of this run with every tracker; see ``TrackerBase.add_artifact``."""
        for backend in self.backends:
            backend.add_artifact(self.id, name, path, metadata)

    def add_source(self, source_id: str, artifact_name: str | None = None) -> None:
        """Records with every tracker what this run was made from; see ``TrackerBase.add_source``."""
        for backend in self.backends:
            backend.add_source(self.id, source_id, artifact_name)

    def sources(self) -> Iterable[AppRunTrackableSource]:
        """What this run was made from, each source once, as all trackers together know it."""
        found = [s for backend in self.backends for s in backend.sources(self.id)]
        unique = dict.fromkeys((s.source_run_id, s.artifact_name) for s in found)
        return [AppRunTrackableSource(AppRun(run_id, self.backends), name) for run_id, name in unique]

    def children(self) -> Iterable[AppRun]:
        """The runs that named this one as a source, each once, as all trackers together know them."""
        found = [run_id for backend in self.backends for run_id in backend.run_ids(parent_run_id=self.id)]
        return [AppRun(run_id, self.backends) for run_id in dict.fromkeys(found)]


_runs_lock = allocate_lock()
_runs: dict[tuple[tuple[str, str], ...], AppRun] = {}


def _new_run(job_id: str) -> AppRun:
    run = AppRun(job_id, list(trackers_from_environ()))
    parent = os.environ.get(ENV_TORCHX_PARENT_RUN_ID)
    if parent:
        run.add_source(parent)
    return run
