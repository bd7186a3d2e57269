"""What a tracker must do, wherever it keeps its runs."""

from __future__ import annotations

import pytest

from torchx.testing.processes import elsewhere
from torchx.testing.suite import ConformanceSuite, missing_fixture, needs
from torchx.tracker.api import Lineage, TrackerArtifact, TrackerSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from torchx.tracker.api import TrackerBase

__all__ = ["TrackerConformance"]

RUN = "local_cwd://torchx/train-b3kd2"
CHILD = "local_cwd://torchx/eval-x9fz1"

# Ids that a careless path would mix up, or lead out of the tracker's own place.
HOSTILE_RUNS = ("a/b", "a%2Fb", "a_b", "a", "a b", "ünï", ".hidden", "-x", "a:b@c?d#e")
HOSTILE_NAMES = ("model", "../model", "a/b", "a b", "ünï", ".", "-x", "loss=1", "model.json")

WRITER = """
import sys
from torchx.plugins._loading import load_target
tracker = load_target(factory)(config)
open(ready, "w").close()
import os, time
while not os.path.exists(go):
    time.sleep(0.001)
for n in range(count):
    tracker.add_metadata(run, **{f"{name}_{n}": n})
    tracker.add_artifact(run, f"{name}_{n}", f"/artifacts/{name}/{n}")
    tracker.add_source(run, f"{name}_{n}")
"""

READER = """
from torchx.plugins._loading import load_target
tracker = load_target(factory)(config)
artifacts = {name: artifact.path for name, artifact in tracker.artifacts(run).items()}
result = [dict(tracker.metadata(run)), artifacts, [*tracker.run_ids()]]
"""


class TrackerConformance(ConformanceSuite):
    """The suite for trackers. The least that a subclass defines is ``factory``.

    Attributes:
        keeps_types: values come back as numbers, truth values, None, lists and mappings. False where all becomes text.
        keeps_artifact_metadata: what is said about an artifact comes back with it.
        finds_children: the runs that were made from a run can be asked for.
        takes_any_run_id: a run's id may be any text.
        takes_any_name: an artifact's name may be any text.
        writes: records that each of two concurrent writers adds.
    """

    keeps_types: bool = True
    keeps_artifact_metadata: bool = True
    finds_children: bool = True
    takes_any_run_id: bool = True
    takes_any_name: bool = True
    writes: int = 25

    @pytest.fixture
    def factory(self) -> str:
        """The tracker's factory, ``"package.module:create"``; it is also called in other processes."""
        missing_fixture("TrackerConformance", "factory", 'the factory, "package.module:create"')

    @pytest.fixture
    def config(self, tmp_path: Path) -> str | None:
        """The configuration that the factory is called with: a place that is empty at the start of each test.

        By default the path of a folder that does not exist yet.
        """
        return str(tmp_path / "runs")

    @pytest.fixture
    def tracker(self, factory: str, config: str | None) -> TrackerBase:
        """The tracker under test."""
        from torchx.plugins._loading import load_target

        make: Callable[[str | None], TrackerBase] = load_target(factory)  # type: ignore[assignment]  # what a factory is
        return make(config)

    def test_unknown_run_is_empty_and_stays_unknown(self, tracker: TrackerBase) -> None:
        assert dict(tracker.metadata(RUN)) == {}
        assert dict(tracker.artifacts(RUN)) == {}
        assert [*tracker.sources(RUN)] == []
        lineage = tracker.lineage(RUN)
        assert (lineage.run_id, [*lineage.sources], [*lineage.children]) == (RUN, [], [])
        assert [*tracker.run_ids()] == []

    def test_metadata_is_merged_and_the_last_value_wins(self, tracker: TrackerBase) -> None:
        tracker.add_metadata(RUN, optimizer="sgd", loss="high")
        tracker.add_metadata(RUN, loss="low", device="gpu")
        assert dict(tracker.metadata(RUN)) == {"optimizer": "sgd", "loss": "low", "device": "gpu"}

    @needs("keeps_types")
    def test_values_keep_their_types(self, tracker: TrackerBase) -> None:
        values = {"i": 3, "f": 0.1, "b": True, "n": None, "s": "3", "l": [1, "a"], "d": {"k": [None]}, "t": "ü\n'"}
        tracker.add_metadata(RUN, **values)
        assert dict(tracker.metadata(RUN)) == values

    def test_artifacts_by_name_and_the_last_one_wins(self, tracker: TrackerBase) -> None:
        tracker.add_artifact(RUN, "model", "s3://bucket/old.pt")
        tracker.add_artifact(RUN, "log", "/tmp/two words/log.txt")
        tracker.add_artifact(RUN, "model", "s3://bucket/new.pt")
        found = {name: (artifact.name, artifact.path) for name, artifact in tracker.artifacts(RUN).items()}
        assert found == {"model": ("model", "s3://bucket/new.pt"), "log": ("log", "/tmp/two words/log.txt")}

    @needs("keeps_artifact_metadata")
    def test_artifacts_keep_what_is_said_about_them(self, tracker: TrackerBase) -> None:
        tracker.add_artifact(RUN, "model", "/m", {"epoch": "3", "by": "me"})
        tracker.add_artifact(RUN, "log", "/l")
        artifacts = tracker.artifacts(RUN)
        assert artifacts["model"] == TrackerArtifact("model", "/m", {"epoch": "3", "by": "me"})
        assert not artifacts["log"].metadata

    def test_sources_each_once_and_by_artifact(self, tracker: TrackerBase) -> None:
        for _ in range(2):  # as two replicas of one job do
            tracker.add_source(CHILD, RUN)
            tracker.add_source(CHILD, RUN, "model")
            tracker.add_source(CHILD, "other", artifact_name="log")
        key = lambda source: (source.source_run_id, source.artifact_name or "")  # noqa: E731
        whole, model, log = TrackerSource(RUN, None), TrackerSource(RUN, "model"), TrackerSource("other", "log")
        assert sorted(tracker.sources(CHILD), key=key) == [whole, model, log]
        assert [*tracker.sources(CHILD, "model")] == [model]
        assert [*tracker.sources(CHILD, artifact_name="nothing")] == []

    def test_lineage_names_the_sources(self, tracker: TrackerBase) -> None:
        tracker.add_source(RUN, "pretrained", "weights")
        lineage = tracker.lineage(RUN)
        assert isinstance(lineage, Lineage)
        assert lineage.run_id == RUN
        assert [*lineage.sources] == [TrackerSource("pretrained", "weights")]

    @needs("finds_children")
    def test_children_are_found(self, tracker: TrackerBase) -> None:
        tracker.add_source(CHILD, RUN, "model")
        tracker.add_source("another", RUN)
        tracker.add_source("stranger", "elsewhere")
        assert sorted(tracker.run_ids(parent_run_id=RUN)) == sorted([CHILD, "another"])
        assert sorted(tracker.lineage(RUN).children) == sorted([CHILD, "another"])
        assert [*tracker.run_ids(parent_run_id=CHILD)] == []

    def test_runs_are_listed_each_once(self, tracker: TrackerBase) -> None:
        tracker.add_metadata(RUN, a="1")
        tracker.add_artifact(RUN, "model", "/m")
        tracker.add_source(CHILD, RUN)
        assert sorted(set(tracker.run_ids()) & {RUN, CHILD}) == sorted([RUN, CHILD])
        assert len([*tracker.run_ids()]) == len(set(tracker.run_ids()))

    def test_runs_do_not_mix(self, tracker: TrackerBase) -> None:
        tracker.add_metadata(RUN, a="1")
        tracker.add_artifact(RUN, "model", "/m")
        tracker.add_metadata(CHILD, a="2")
        assert dict(tracker.metadata(CHILD)) == {"a": "2"}
        assert dict(tracker.artifacts(CHILD)) == {}

    @needs("takes_any_run_id")
    def test_run_ids_are_only_names(self, tracker: TrackerBase) -> None:
        for run in HOSTILE_RUNS:
            tracker.add_metadata(run, me=run)
        assert {run: dict(tracker.metadata(run)) for run in HOSTILE_RUNS} == {run: {"me": run} for run in HOSTILE_RUNS}
        assert sorted(tracker.run_ids()) == sorted(HOSTILE_RUNS)

    @needs("takes_any_name")
    def test_artifact_names_are_only_names(self, tracker: TrackerBase) -> None:
        for name in HOSTILE_NAMES:
            tracker.add_artifact(RUN, name, f"/{name}")
        found = {name: artifact.path for name, artifact in tracker.artifacts(RUN).items()}
        assert found == {name: f"/{name}" for name in HOSTILE_NAMES}

    def test_another_process_reads_what_was_written(
        self, tracker: TrackerBase, factory: str, config: str | None
    ) -> None:
        tracker.add_metadata(RUN, loss="low")
        tracker.add_artifact(RUN, "model", "/m")
        found = elsewhere(READER, factory=factory, config=config, run=RUN)
        assert found == [{"loss": "low"}, {"model": "/m"}, [RUN]]

    def test_two_writers_at_once_lose_nothing(
        self, tracker: TrackerBase, factory: str, config: str | None, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        from concurrent.futures import ThreadPoolExecutor

        from torchx.testing.waiting import until

        notes = tmp_path_factory.mktemp("writers")
        where: dict[str, Any] = {
            "factory": factory,
            "config": config,
            "run": RUN,
            "count": self.writes,
            "go": str(notes / "go"),
        }
        writers = ("first", "second")
        with ThreadPoolExecutor(len(writers)) as pool:
            done = [pool.submit(elsewhere, WRITER, **where, name=w, ready=str(notes / w)) for w in writers]
            try:
                until(lambda: any(f.done() for f in done) or all((notes / w).exists() for w in writers), 60)
            finally:
                (notes / "go").touch()
            for future in done:
                future.result()
        names = {f"{writer}_{n}" for writer in writers for n in range(self.writes)}
        assert set(tracker.metadata(RUN)) == names
        assert set(tracker.artifacts(RUN)) == names
        assert {source.source_run_id for source in tracker.sources(RUN)} == names
