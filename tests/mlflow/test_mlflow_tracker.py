"""The MLflow tracker, against a real MLflow store on disk."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from torchx.errors import UsageError
from torchx.tracker.api import Lineage, TrackerSource
from torchx.tracker.mlflow import ARTIFACT_METADATA_TAG_PREFIX, MLflowStoreError, MLflowTracker, create_tracker

if TYPE_CHECKING:
    from pathlib import Path

# MLflow and SQLAlchemy warn about each other, which is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

RUN = "local_cwd://torchx/train-b3kd2"
CHILD = "local_cwd://torchx/eval-x9fz1"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database: making one takes MLflow seconds, so tests copy it."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MLflowTracker(tracking_uri=f"sqlite:///{path}")
    return path


@pytest.fixture(params=["file", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a store on disk."""
    monkeypatch.chdir(tmp_path)
    if request.param == "file":
        monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
        return f"file://{tmp_path}/mlruns"
    shutil.copy(request.getfixturevalue("database"), tmp_path)
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def tracker(store: str, tmp_path: Path) -> MLflowTracker:
    return MLflowTracker("training", store, f"file://{tmp_path}/artifacts")


def test_an_unknown_run_has_nothing(tracker: MLflowTracker) -> None:
    assert tracker.metadata(RUN) == {}
    assert tracker.artifacts(RUN) == {}
    assert list(tracker.sources(RUN)) == []
    assert list(tracker.run_ids()) == []
    assert tracker.lineage(RUN) == Lineage(RUN, [], [])


def test_the_experiment_is_made_once(tracker: MLflowTracker, store: str, tmp_path: Path) -> None:
    again = MLflowTracker("training", store)
    assert again.experiment_id == tracker.experiment_id
    assert again.experiment_name == "training"
    assert again.artifact_location == f"file://{tmp_path}/artifacts"


def test_metadata_is_merged_and_the_last_value_wins(tracker: MLflowTracker) -> None:
    tracker.add_metadata(RUN, lr=0.1, model="a", flag=True, nested={"b": None})
    tracker.add_metadata(RUN, lr=0.2, model="b")
    assert tracker.metadata(RUN) == {"lr": 0.2, "model": "b", "flag": True, "nested": {"b": None}}
    data = tracker.get_run(RUN).data
    assert data.metrics == {"lr": 0.2}
    assert data.params["model"] == "a"


def test_what_the_job_logs_itself_is_metadata_too(tracker: MLflowTracker) -> None:
    tracker.log_params_flat(RUN, {"opt": {"lr": 0.1, "betas": [0.9, 0.99]}, "name": "x", "empty": {}})
    tracker.log_params_flat(RUN, {"depth": 2}, key="model")
    assert tracker.metadata(RUN) == {
        "opt.lr": "0.1",
        "opt.betas.0": "0.9",
        "opt.betas.1": "0.99",
        "name": "x",
        "empty": "{}",
        "model.depth": "2",
    }


def test_local_artifacts_are_copied_into_the_store(tracker: MLflowTracker, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text("weights")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.txt").write_text("log")
    tracker.add_artifact(RUN, "model", str(tmp_path / "model.pt"), {"step": 1})
    tracker.add_artifact(RUN, "ckpt/logs", str(tmp_path / "logs"))
    tracker.add_artifact(RUN, "data", "s3://bucket/data")
    found = tracker.artifacts(RUN)
    uri = tracker.get_run(RUN).info.artifact_uri
    assert {name: (a.path, a.metadata) for name, a in found.items()} == {
        "model": (f"{uri}/model/model.pt", {"step": 1}),
        "ckpt/logs": (f"{uri}/ckpt/logs", None),
        "data": ("s3://bucket/data", None),
    }
    folder = uri.removeprefix("file://")
    with open(f"{folder}/model/model.pt") as file:
        assert file.read() == "weights"
    with open(f"{folder}/ckpt/logs/a.txt") as file:
        assert file.read() == "log"
    assert json.loads(tracker.get_run(RUN).data.tags[f"{ARTIFACT_METADATA_TAG_PREFIX}.model"]) == {"step": 1}


def test_lineage_goes_both_ways(tracker: MLflowTracker) -> None:
    for _ in range(2):
        tracker.add_source(RUN, "pre'trained", "weights")
    tracker.add_source(CHILD, RUN)
    assert list(tracker.run_ids()) == sorted([CHILD, RUN])
    assert tracker.lineage(RUN) == Lineage(RUN, [TrackerSource("pre'trained", "weights")], [CHILD])
    assert list(tracker.sources(RUN, "other")) == []
    assert list(tracker.run_ids(parent_run_id="pre'trained")) == [RUN]


@pytest.mark.parametrize("run_id", ["a'b", 'a"b', "a`b", "a\\b", "ünï", "100%", "_"])
def test_hostile_run_ids(tracker: MLflowTracker, run_id: str) -> None:
    tracker.add_metadata("other", a=0)
    tracker.add_metadata(run_id, a=1)
    assert tracker.metadata(run_id) == {"a": 1}
    assert list(tracker.run_ids()) == sorted([run_id, "other"])


def test_runs_over_several_pages(tracker: MLflowTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    search = tracker._client.search_runs
    monkeypatch.setattr(tracker._client, "search_runs", lambda *args, **kwargs: search(*args, max_results=2, **kwargs))
    for i in range(5):
        tracker.add_metadata(f"run{i}", a=i)
    assert list(tracker.run_ids()) == [f"run{i}" for i in range(5)]


def test_replicas_that_start_at_once_lose_nothing(store: str) -> None:
    MLflowTracker("training", store)
    code = (
        "import sys; from torchx.tracker.mlflow import MLflowTracker\n"
        "tracker = MLflowTracker('training', sys.argv[1])\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "tracker.add_metadata('run', **{sys.argv[2]: 1}); tracker.add_source('run', sys.argv[2])\n"
    )
    replicas = [
        subprocess.Popen(
            [sys.executable, "-c", code, store, who], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for who in "ab"
    ]
    for replica in replicas:
        assert replica.stdout is not None
        assert replica.stdout.readline() == "ready\n"
    for replica in replicas:
        replica.communicate("go\n", timeout=120)
    assert [replica.returncode for replica in replicas] == [0, 0]
    tracker = MLflowTracker("training", store)
    assert tracker.metadata("run") == {"a": 1, "b": 1}
    assert [source.source_run_id for source in tracker.sources("run")] == ["a", "b"]


def test_close_ends_the_runs(tracker: MLflowTracker) -> None:
    tracker.add_metadata(RUN, a=1)
    assert tracker.get_run(RUN).info.status == "RUNNING"
    tracker.close()
    assert tracker.get_run(RUN).info.status == "FINISHED"


def test_created_from_a_url_a_file_and_the_environment(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf.json").write_text(json.dumps({"experiment_name": "training", "tracking_uri": store}))
    from_file = create_tracker(f"{tmp_path}/conf.json")
    assert isinstance(from_file, MLflowTracker)
    assert from_file.experiment_name == "training"
    from_url = create_tracker(store)
    assert isinstance(from_url, MLflowTracker)
    assert from_url.experiment_name == "Default"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "training")
    from_env = create_tracker(None)
    assert isinstance(from_env, MLflowTracker)
    assert from_env.experiment_id == from_file.experiment_id
    (tmp_path / "conf.json").write_text(json.dumps({"uri": store}))
    with pytest.raises(UsageError, match="no setting `uri`"):
        create_tracker(f"{tmp_path}/conf.json")


@pytest.mark.parametrize("uri", ["sqlite:////proc/nowhere/m.db", "nosuch://store", "file:///proc/nowhere"])
def test_a_store_that_cannot_be_used_is_told_in_one_line(uri: str) -> None:
    with pytest.raises(MLflowStoreError) as caught:
        MLflowTracker(tracking_uri=uri)
    assert uri in caught.value.message
    assert "\n" not in caught.value.message
