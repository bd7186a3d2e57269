"""Runs and their trackers, handed from the submitting process to the job by the environment."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from torchx.errors import UsageError
from torchx.plugins.errors import PluginLoadError, UnknownPluginError
from torchx.tracker import AppRun, app_run_from_env
from torchx.tracker.api import (
    AppRunTrackableSource,
    TrackerArtifact,
    build_trackers,
    load_tracker,
    split_tracker_names,
    tracker_config_env_var_name,
    tracker_environment,
    trackers_from_environ,
)
from torchx.tracker.backend.fsspec import FsspecTracker, create

if TYPE_CHECKING:
    from pathlib import Path

RUN = "slurm://torchx/42"


def enter_job(monkeypatch: pytest.MonkeyPatch, trackers: dict[str, str | None], **env: str) -> None:
    for name, value in {"TORCHX_JOB_ID": RUN, **tracker_environment(trackers), **env}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("trackers", "env"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"a": None}, {"TORCHX_TRACKERS": "a"}, id="without-config"),
        pytest.param(
            {"my_one": "s3://b/x?y=1,2", "other-2.x": "c"},
            {
                "TORCHX_TRACKERS": "my_one,other-2.x",
                "TORCHX_TRACKER_MY_ONE_CONFIG": "s3://b/x?y=1,2",
                "TORCHX_TRACKER_OTHER_2_X_CONFIG": "c",
            },
            id="with-config",
        ),
    ],
)
def test_the_environment_of_replicas(trackers: dict[str, str | None], env: dict[str, str]) -> None:
    assert tracker_environment(trackers) == env
    assert split_tracker_names(env.get("TORCHX_TRACKERS", "")) == list(trackers)
    assert {name: env.get(tracker_config_env_var_name(name)) for name in trackers} == trackers


def test_outside_of_a_job_nothing_is_tracked() -> None:
    run = app_run_from_env()
    assert run.id == run.job_id() == "<UNDEFINED>"
    run.add_metadata(a=1)
    run.add_artifact("a", "b")
    run.add_source("c")
    assert not [*run.backends, *run.sources(), *run.children()]


def test_a_job_writes_to_all_of_its_trackers(acme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter_job(monkeypatch, {"fsspec": f"{tmp_path}/one", acme: f"{tmp_path}/two"})
    run = app_run_from_env()
    assert run.job_id() == RUN
    run.add_metadata(lr=0.1)
    run.add_artifact("model", "/m", {"step": 1})
    run.add_source("pretrained", "weights")
    for store in ("one", "two"):
        tracker = create(f"{tmp_path}/{store}")
        assert tracker.metadata(RUN) == {"lr": 0.1}
        assert tracker.artifacts(RUN) == {"model": TrackerArtifact("model", "/m", {"step": 1})}
        assert list(tracker.run_ids(parent_run_id="pretrained")) == [RUN]
    assert list(run.sources()) == [AppRunTrackableSource(AppRun("pretrained", run.backends), "weights")]
    assert list(AppRun("pretrained", run.backends).children()) == [AppRun(RUN, run.backends)]


def test_the_parent_run_becomes_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter_job(monkeypatch, {"fsspec": str(tmp_path)}, TORCHX_PARENT_RUN_ID="slurm://torchx/41")
    run = AppRun.run_from_env()
    assert [source.parent.id for source in run.sources()] == ["slurm://torchx/41"]
    assert [child.id for child in AppRun("slurm://torchx/41", run.backends).children()] == [RUN]


def test_a_process_has_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter_job(monkeypatch, {"fsspec": str(tmp_path)})
    runs: list[AppRun] = []
    threads = [threading.Thread(target=lambda: runs.append(AppRun.run_from_env())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(run) for run in runs}) == 1
    monkeypatch.setenv("TORCHX_JOB_ID", "slurm://torchx/43")
    assert AppRun.run_from_env().id == "slurm://torchx/43"


def test_trackers_come_from_the_environment(acme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(trackers_from_environ()) == []
    enter_job(monkeypatch, {acme: str(tmp_path)})
    assert [type(tracker) for tracker in trackers_from_environ()] == [FsspecTracker]


@pytest.mark.parametrize("missing", ["not_installed", "acme_broken"])
def test_a_tracker_that_the_image_lacks_does_not_stop_the_job(
    acme: str, missing: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        trackers = list(build_trackers({missing: None, acme: str(tmp_path)}))
    assert [type(tracker) for tracker in trackers] == [FsspecTracker]
    assert [missing in record.getMessage() for record in caplog.records] == [True]


def test_a_refused_configuration_stops_the_job(acme: str) -> None:
    with pytest.raises(ValueError, match="config is refused"):
        build_trackers({acme: "refused"})


@pytest.mark.usefixtures("acme")
def test_one_tracker_by_name(tmp_path: Path) -> None:
    assert isinstance(load_tracker("acme", str(tmp_path)), FsspecTracker)
    with pytest.raises(UnknownPluginError, match="acne"):
        load_tracker("acne")
    with pytest.raises(PluginLoadError, match="acme"):
        load_tracker("acme_broken")


def test_the_api_is_cheap_to_import() -> None:
    code = (
        "import sys; import torchx.tracker.api;"
        "print(sorted({'json', 'logging', 'fsspec', 'pluggy', 'yaml', 'argparse', 'pathlib'} & set(sys.modules)))"
    )
    bare = "import sys, dataclasses; print(sorted({'json', 'logging', 'pathlib', 'argparse'} & set(sys.modules)))"
    outputs = [
        subprocess.run([sys.executable, "-c", c], capture_output=True, text=True, check=True).stdout
        for c in (code, bare)
    ]
    assert outputs[0] == outputs[1]


def test_a_value_that_trackers_cannot_be_handed_is_told(tmp_path: Path) -> None:
    run = AppRun(RUN, [create(str(tmp_path))])
    with pytest.raises(UsageError, match="can be called `run_id`"):
        run.add_metadata(run_id=3)
