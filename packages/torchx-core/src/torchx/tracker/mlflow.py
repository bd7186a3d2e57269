"""A tracker that keeps runs in MLflow: needs ``pip install torchx-core[mlflow]``.

A run is an MLflow run of the same name. Replicas that start at once may each make one before they see the other's; all
of them carry the run's id in a tag and are read as one, so that nothing is lost. MLflow never changes a parameter; what
is recorded with ``add_metadata`` is therefore kept in tags, and shown as parameters and metrics besides.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torchx.errors import TorchXError, UsageError
from torchx.tracker._settings import SETTINGS_SUFFIXES, read_settings, to_json
from torchx.tracker.api import Lineage, TrackerArtifact, TrackerBase, TrackerSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

__all__ = ["ARTIFACT_METADATA_TAG_PREFIX", "MLflowTracker", "create_tracker"]

DEFAULT_TRACKING_URI = "file:///tmp/torchx/mlruns"
DEFAULT_EXPERIMENT = "Default"

RUN_ID_TAG = "torchx.run_id"
METADATA_TAG_PREFIX = "torchx.metadata"
ARTIFACT_METADATA_TAG_PREFIX = "torchx.artifact.metadata"
ARTIFACT_PATH_TAG_PREFIX = "torchx.artifact.path"
SOURCE_TAG_PREFIX = "torchx.source"
PARENT_TAG_PREFIX = "torchx.parent"


class MLflowMissingError(TorchXError, ModuleNotFoundError):
    """MLflow is not installed."""


class MLflowStoreError(TorchXError):
    """MLflow can't use its store."""


class MLflowTracker(TrackerBase):
    """Keeps runs in an MLflow tracking store.

    Args:
        experiment_name: the MLflow experiment, made when it does not exist; by default ``$MLFLOW_EXPERIMENT_NAME``,
            else MLflow's own default experiment.
        tracking_uri: the store: a folder's ``file://`` URL, a database's or a server's URL.
        artifact_location: where a newly made experiment keeps its artifacts; by default where the store says.

    Raises:
        MLflowMissingError: MLflow is not installed.
        MLflowStoreError: MLflow can't use the store.
    """

    def __init__(
        self,
        experiment_name: str | None = None,
        tracking_uri: str = DEFAULT_TRACKING_URI,
        artifact_location: str | None = None,
    ) -> None:
        experiment = experiment_name or os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
        with _store_errors(tracking_uri):
            self._client = _new_client(tracking_uri)
            self._experiment = self._find_or_make_experiment(experiment, artifact_location)
        self._run_ids: dict[str, str] = {}

    @property
    def experiment_id(self) -> str:
        """MLflow's id of the experiment."""
        return str(self._experiment.experiment_id)

    @property
    def experiment_name(self) -> str:
        """The experiment's name."""
        return str(self._experiment.name)

    @property
    def artifact_location(self) -> str:
        """URL of the folder where the experiment keeps its artifacts."""
        return str(self._experiment.artifact_location)

    def get_run(self, run_name: str) -> Run:
        """The MLflow run for a run id; it is made when there is none."""
        return self._client.get_run(self.get_run_id(run_name))

    def get_run_id(self, run_name: str) -> str:
        """MLflow's id of the MLflow run for a run id; that run is made when there is none."""
        if run_name not in self._run_ids:
            found = next(self._runs(run_name), None)
            if found is None:
                found = self._client.create_run(self.experiment_id, tags={RUN_ID_TAG: run_name}, run_name=run_name)
            self._run_ids[run_name] = str(found.info.run_id)
        return self._run_ids[run_name]

    def log_params_flat(self, run_name: str, cfg: Mapping[str, Any], key: str = "") -> None:
        """Logs a nested configuration as MLflow parameters; names of the levels are joined with dots.

        Args:
            run_name: the run.
            cfg: names to values; mappings and lists inside are followed.
            key: what stands before the names.
        """
        run_id = self.get_run_id(run_name)
        for name, value in _flatten(cfg, key):
            self._client.log_param(run_id, name, value)

    def close(self) -> None:
        """Marks the MLflow runs that this object wrote to as finished."""
        for run_id in self._run_ids.values():
            self._client.set_terminated(run_id)
        self._run_ids.clear()

    def add_metadata(self, run_id: str, **kwargs: object) -> None:
        """Records values; numbers become metrics too (each call one point), other values parameters, once."""
        run = self.get_run(run_id)
        for name, value in kwargs.items():
            encoded = to_json(value)
            self._client.set_tag(run.info.run_id, f"{METADATA_TAG_PREFIX}.{name}", encoded)
            plain = json.loads(encoded)
            if isinstance(plain, (int, float)) and not isinstance(plain, bool):
                self._client.log_metric(run.info.run_id, name, plain)
            elif name not in run.data.params:
                self._client.log_param(run.info.run_id, name, plain)

    def metadata(self, run_id: str) -> Mapping[str, object]:
        """The values of a run: also the parameters and metrics that the job logged with MLflow itself."""
        merged: dict[str, object] = {}
        recorded: dict[str, object] = {}
        for run in self._runs(run_id):
            merged.update({**run.data.params, **run.data.metrics})
            recorded.update((name, json.loads(text)) for name, text in _tagged(run, METADATA_TAG_PREFIX))
        return {**merged, **recorded}

    def add_artifact(self, run_id: str, name: str, path: str, metadata: Mapping[str, object] | None = None) -> None:
        """Records an artifact; a local file or folder is copied into the store, under ``name``, a URL only noted."""
        run = self.get_run(run_id)
        stored = path
        if os.path.isdir(path):
            self._client.log_artifacts(run.info.run_id, path, artifact_path=name)
            stored = f"{run.info.artifact_uri}/{name}"
        elif os.path.exists(path):
            self._client.log_artifact(run.info.run_id, path, artifact_path=name)
            stored = f"{run.info.artifact_uri}/{name}/{os.path.basename(path)}"
        self._client.set_tag(run.info.run_id, f"{ARTIFACT_METADATA_TAG_PREFIX}.{name}", to_json(metadata))
        self._client.set_tag(run.info.run_id, f"{ARTIFACT_PATH_TAG_PREFIX}.{name}", stored)

    def artifacts(self, run_id: str) -> Mapping[str, TrackerArtifact]:
        """The artifacts of a run by name: also those that the job logged with MLflow itself."""
        found: dict[str, TrackerArtifact] = {}
        for run in self._runs(run_id):
            about = dict(_tagged(run, ARTIFACT_METADATA_TAG_PREFIX))
            for name, path in _tagged(run, ARTIFACT_PATH_TAG_PREFIX):
                found[name] = TrackerArtifact(name, path, json.loads(about.get(name, "null")))
            for item in self._client.list_artifacts(run.info.run_id):
                if not any(name == item.path or name.startswith(f"{item.path}/") for name in found):
                    found[item.path] = TrackerArtifact(item.path, f"{run.info.artifact_uri}/{item.path}", None)
        return found

    def add_source(self, run_id: str, source_id: str, artifact_name: str | None = None) -> None:
        """Records a source; see ``TrackerBase.add_source``."""
        ours = self.get_run_id(run_id)
        record = json.dumps([source_id, artifact_name])
        self._client.set_tag(ours, f"{SOURCE_TAG_PREFIX}.{_digest(record)}", record)
        self._client.set_tag(ours, f"{PARENT_TAG_PREFIX}.{_digest(source_id)}", source_id)

    def sources(self, run_id: str, artifact_name: str | None = None) -> Iterable[TrackerSource]:
        """What a run was made from, each source once."""
        records = sorted({text for run in self._runs(run_id) for _, text in _tagged(run, SOURCE_TAG_PREFIX)})
        found = [TrackerSource(*json.loads(text)) for text in records]
        return [s for s in found if artifact_name is None or s.artifact_name == artifact_name]

    def lineage(self, run_id: str) -> Lineage:
        """What a run was made from, and the runs that were made from it."""
        return Lineage(run_id, list(self.sources(run_id)), list(self.run_ids(parent_run_id=run_id)))

    def run_ids(  # type: ignore[override]  # a caller cannot know which conditions a tracker has: one is documented
        self, parent_run_id: str | None = None
    ) -> Iterable[str]:
        """Ids of the runs of this experiment, sorted.

        Args:
            parent_run_id: only the runs that named this run as a source.
        """
        tag = RUN_ID_TAG if parent_run_id is None else f"{PARENT_TAG_PREFIX}.{_digest(parent_run_id)}"
        runs = self._search(f"tags.`{tag}` LIKE '%'")
        return sorted({run.data.tags[RUN_ID_TAG] for run in runs if RUN_ID_TAG in run.data.tags})

    def _runs(self, run_id: str) -> Iterator[Run]:
        """All MLflow runs for a run id, the oldest first."""
        # Ids are compared here too: MLflow's filter language has no way to escape a quote.
        condition = f"= '{run_id}'" if run_id.isascii() and not set(run_id) & set("'\\\"`") else "LIKE '%'"
        found = self._search(f"tags.`{RUN_ID_TAG}` {condition}")
        runs = [run for run in found if run.data.tags[RUN_ID_TAG] == run_id]
        yield from sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))

    def _search(self, condition: str) -> Iterator[Run]:
        token = None
        while True:
            page = self._client.search_runs([self.experiment_id], condition, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _find_or_make_experiment(self, name: str, artifact_location: str | None) -> Any:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return found
        try:
            return self._client.get_experiment(self._client.create_experiment(name, artifact_location))
        except MlflowException:
            # Another replica may have made it between the two calls.
            found = self._client.get_experiment_by_name(name)
            if found is None:
                raise
            return found


def create_tracker(config: str | None) -> TrackerBase:
    """Makes the tracker from its configuration.

    Args:
        config: the store's URL; or absolute path or URL of a ``.json`` or ``.toml`` file with ``experiment_name``,
            ``tracking_uri`` and ``artifact_location``; by default ``$MLFLOW_TRACKING_URI``, else a folder of ``/tmp``.

    Raises:
        UsageError: the file cannot be read, or holds other settings.
        MLflowMissingError: MLflow is not installed.
    """
    if config and config.endswith(SETTINGS_SUFFIXES):
        settings = read_settings("mlflow", config)
        unknown = set(settings) - {"experiment_name", "tracking_uri", "artifact_location"}
        if unknown:
            raise UsageError(f"the configuration `{config}` of the tracker `mlflow` has no setting `{min(unknown)}`")
        return MLflowTracker(**settings)
    return MLflowTracker(tracking_uri=config or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI)


def _new_client(tracking_uri: str) -> MlflowClient:
    try:
        from mlflow.tracking import MlflowClient
    except ModuleNotFoundError as e:
        raise MLflowMissingError(
            "the tracker `mlflow` needs MLflow, which is not installed",
            hint="pip install 'torchx-core[mlflow]'",
        ) from e
    if tracking_uri.startswith(("file:", "/", "./")):
        # MLflow 3 refuses folders without this consent: it adds nothing to that store any more. Whoever names a folder
        # has consented. https://mlflow.org/docs/latest/self-hosting/architecture/backend-store/
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return MlflowClient(tracking_uri=tracking_uri)


@contextmanager
def _store_errors(tracking_uri: str) -> Iterator[None]:
    """What MLflow raises, as one line that names the store."""
    try:
        yield
    except TorchXError:
        raise
    except Exception as e:  # MLflow's own, a database's, a connection's
        from torchx.util.masking import mask_text

        reason = next((line.strip() for line in str(e).splitlines() if line.strip()), type(e).__name__)
        raise MLflowStoreError(
            f"the tracker `mlflow` can't use the store `{mask_text(tracking_uri)}`: {mask_text(reason)}",
            hint="check the tracker's configuration: the URL of a folder (file:///...), a database or a server",
        ) from e


def _tagged(run: Run, prefix: str) -> Iterator[tuple[str, str]]:
    """Name and value of the tags below a prefix."""
    for tag, value in run.data.tags.items():
        if tag.startswith(f"{prefix}."):
            yield tag[len(prefix) + 1 :], value


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _flatten(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and (value or not key):
        for name, inner in value.items():
            yield from _flatten(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)) and value:
        for index, inner in enumerate(value):
            yield from _flatten(inner, f"{key}.{index}" if key else str(index))
    else:
        yield key, value
