"""The fsspec tracker: what is added is read back, from any file system, also with many writers at once."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchx.errors import UsageError
from torchx.tracker.api import Lineage, TrackerArtifact, TrackerSource
from torchx.tracker.backend.fsspec import FsspecTracker, TrackerStoreError, create, generate_filename

if TYPE_CHECKING:
    from pathlib import Path

    from torchx.tracker.api import TrackerBase

RUN = "local_cwd://torchx/train-b3kd2"
CHILD = "local_cwd://torchx/eval-x9fz1"


@pytest.fixture
def tracker(store: str) -> TrackerBase:
    return create(store)


def files_below(folder: Path) -> list[str]:
    return [name for _, _, names in os.walk(folder) for name in names]


def test_an_unknown_run_has_nothing(tracker: TrackerBase) -> None:
    assert tracker.metadata(RUN) == {}
    assert tracker.artifacts(RUN) == {}
    assert list(tracker.sources(RUN)) == []
    assert list(tracker.run_ids()) == []
    assert list(tracker.run_ids(parent_run_id=RUN)) == []
    assert tracker.lineage(RUN) == Lineage(RUN, [], [])


def test_metadata_is_merged_and_the_last_value_wins(tracker: TrackerBase) -> None:
    tracker.add_metadata(RUN, lr=0.1, epochs=3, tags=["a"], nested={"b": None})
    tracker.add_metadata(RUN, lr=0.2, loss=1.5)
    tracker.add_metadata(CHILD, lr=9)
    assert tracker.metadata(RUN) == {"lr": 0.2, "epochs": 3, "tags": ["a"], "nested": {"b": None}, "loss": 1.5}


def test_artifacts_by_name(tracker: TrackerBase) -> None:
    tracker.add_artifact(RUN, "model", "s3://b/old.pt")
    tracker.add_artifact(RUN, "../log 1", "/tmp/log", {"lines": 3})
    tracker.add_artifact(RUN, "model", "s3://b/new.pt", {"step": 10})
    assert tracker.artifacts(RUN) == {
        "model": TrackerArtifact("model", "s3://b/new.pt", {"step": 10}),
        "../log 1": TrackerArtifact("../log 1", "/tmp/log", {"lines": 3}),
    }


def test_sources_each_once(tracker: TrackerBase) -> None:
    for _ in range(2):
        tracker.add_source(CHILD, RUN)
    tracker.add_source(CHILD, RUN, "model")
    tracker.add_source(CHILD, "other", artifact_name="model")
    assert list(tracker.sources(CHILD)) == [
        TrackerSource(RUN, None),
        TrackerSource(RUN, "model"),
        TrackerSource("other", "model"),
    ]
    assert list(tracker.sources(CHILD, "model")) == [TrackerSource(RUN, "model"), TrackerSource("other", "model")]


def test_lineage_goes_both_ways(tracker: TrackerBase) -> None:
    tracker.add_source(RUN, "pretrained")
    tracker.add_source(CHILD, RUN, "model")
    tracker.add_source("a", RUN)
    assert tracker.lineage(RUN) == Lineage(RUN, [TrackerSource("pretrained", None)], ["a", CHILD])
    assert list(tracker.run_ids(parent_run_id=RUN)) == ["a", CHILD]
    assert list(tracker.run_ids(parent_run_id="pretrained")) == [RUN]


def test_runs_are_those_that_added_something(tracker: TrackerBase) -> None:
    tracker.add_metadata(RUN, a=1)
    tracker.add_artifact("b", "x", "y")
    tracker.add_source("c", "never-ran")
    assert list(tracker.run_ids()) == ["b", "c", RUN]


def test_another_process_reads_what_was_written(tmp_path: Path) -> None:
    create(str(tmp_path)).add_metadata(RUN, lr=0.1)
    code = f"from torchx.tracker.backend.fsspec import create; print(create({str(tmp_path)!r}).metadata({RUN!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'lr': 0.1}"


HOSTILE = [
    ".",
    "..",
    "../../etc",
    "/abs",
    "a/b",
    ".children",
    ".hidden",
    "%2E",
    "ünï",
    "a b",
    "x\ny",
    "*?[a]",
    "~",
    "-rf",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_id_or_name_leaves_its_place(store: str, tmp_path: Path, name: str) -> None:
    tracker = create(store)
    tracker.add_metadata(name, value=name)
    tracker.add_artifact(name, name, name)
    tracker.add_source("child", name, name)
    assert list(tracker.run_ids()) == sorted([name, "child"])
    assert tracker.metadata(name) == {"value": name}
    assert tracker.artifacts(name) == {name: TrackerArtifact(name, name, None)}
    assert list(tracker.sources("child")) == [TrackerSource(name, name)]
    assert list(tracker.run_ids(parent_run_id=name)) == ["child"]
    assert len(os.listdir(tmp_path)) <= 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(run_id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_any_run_id_is_read_back(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    tracker = create(str(tmp_path_factory.mktemp("runs")))
    tracker.add_metadata(run_id, a=1)
    assert list(tracker.run_ids()) == [run_id]
    assert tracker.metadata(run_id) == {"a": 1}


class Tensor:
    """As near to a tensor as the tracker looks."""

    def __init__(self, value: object) -> None:
        self.value = value

    def tolist(self) -> object:
        return self.value


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(Tensor(0.5), 0.5, id="scalar"),
        pytest.param(Tensor([1, 2]), [1, 2], id="array"),
        pytest.param(
            datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), "2026-01-02T00:00:00+00:00", id="date"
        ),
        pytest.param({"b", "a"}, ["a", "b"], id="set"),
        pytest.param((1, 2), [1, 2], id="tuple"),
        pytest.param(RuntimeError("x"), "x", id="other"),
        pytest.param("a\nb\u2028ü\x00", "a\nb\u2028ü\x00", id="text"),
        pytest.param(float("inf"), float("inf"), id="infinity"),
    ],
)
def test_values_are_kept_as_near_as_json_can(tmp_path: Path, value: object, kept: object) -> None:
    tracker = create(str(tmp_path))
    tracker.add_metadata(RUN, value=value)
    assert tracker.metadata(RUN) == {"value": kept}


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from torchx.tracker.backend.fsspec import create\n"
        "who, tracker = sys.argv[2], create(sys.argv[1])\n"
        "sys.stdin.readline()\n"
        "for i in range(40):\n"
        "    tracker.add_metadata('run', **{f'{who}{i}': i, 'last': who})\n"
        "    tracker.add_artifact('run', f'{who}{i}', 'p')\n"
        "    tracker.add_source('run', f'{who}{i}')\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), who], stdin=subprocess.PIPE) for who in "ab"
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    tracker = create(str(tmp_path))
    names = {f"{who}{i}" for who in "ab" for i in range(40)}
    assert set(tracker.metadata("run")) == names | {"last"}
    assert set(tracker.artifacts("run")) == names
    assert {s.source_run_id for s in tracker.sources("run")} == names
    assert all(name.endswith(".json") for name in files_below(tmp_path))


def test_a_reader_never_sees_a_half_written_record(tmp_path: Path) -> None:
    tracker = create(str(tmp_path))
    big = "x" * 200_000
    done = threading.Event()

    def write() -> None:
        for i in range(30):
            tracker.add_metadata(RUN, **{f"k{i}": big})
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while not done.is_set():
        values = tracker.metadata(RUN).values()
        assert all(value == big for value in values)
        assert len(values) >= seen
        seen = len(values)
    writer.join()
    assert len(tracker.metadata(RUN)) == 30


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = create(str(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        tracker.add_metadata(RUN, a=1)
    assert files_below(tmp_path) == []
    assert tracker.metadata(RUN) == {}


def test_an_archive_is_read_and_can_not_be_written(tmp_path: Path) -> None:
    create(f"{tmp_path}/runs").add_metadata(RUN, lr=0.1)
    archive = shutil.make_archive(f"{tmp_path}/runs", "zip", tmp_path, "runs")
    tracker = create(f"zip://runs::file://{archive}")
    assert (list(tracker.run_ids()), tracker.metadata(RUN)) == ([RUN], {"lr": 0.1})
    with pytest.raises(TrackerStoreError, match=r"^can't write runs at `zip://runs`: .*requires mode 'w'") as caught:
        tracker.add_metadata(RUN, lr=0.2)
    assert caught.value.hint == "name a place that may be written to, as an absolute path or a URL"


def test_a_place_that_fails_is_one_line() -> None:
    with pytest.raises(TrackerStoreError, match=r"^can't write runs at `/proc/nowhere`: .*No such file.*$") as caught:
        create("/proc/nowhere").add_metadata(RUN, lr=0.2)
    assert isinstance(caught.value, OSError)


def test_a_record_that_is_damaged_is_told(tmp_path: Path) -> None:
    tracker = create(str(tmp_path))
    tracker.add_metadata("run", lr=0.1)
    (record,) = (tmp_path / "run" / "metadata").iterdir()
    record.write_text("{" + " " * 1000 + "\n")
    with pytest.raises(TrackerStoreError, match=f"^can't read runs at `{tmp_path}`: .{{10,320}}$"):
        tracker.metadata("run")


def test_file_names_sort_by_time_and_are_unique() -> None:
    names = [generate_filename() for _ in range(100)]
    assert len(set(names)) == 100
    assert [name.split("-")[0] for name in names] == sorted(name.split("-")[0] for name in names)


def test_a_settings_file_in_json(tmp_path: Path) -> None:
    (tmp_path / "conf.json").write_text(
        json.dumps({"protocol": "file", "root_path": f"{tmp_path}/runs", "auto_mkdir": True})
    )
    tracker = create(f"{tmp_path}/conf.json")
    tracker.add_metadata(RUN, a=1)
    assert list(create(f"{tmp_path}/runs").run_ids()) == [RUN]


def test_a_settings_file_in_toml(tmp_path: Path) -> None:
    (tmp_path / "conf.toml").write_text(f'root_path = "file://{tmp_path}/runs"\n')
    tracker = create(f"file://{tmp_path}/conf.toml")
    assert isinstance(tracker, FsspecTracker)
    tracker.add_metadata(RUN, a=1)
    assert list(create(f"{tmp_path}/runs").run_ids()) == [RUN]


def test_the_home_folder_may_be_abbreviated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    create("~/runs").add_metadata(RUN, a=1)
    assert list(create(f"{tmp_path}/runs").run_ids()) == [RUN]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        pytest.param(None, "does not know where to keep runs", id="none"),
        pytest.param("", "does not know where to keep runs", id="empty"),
        pytest.param("runs", "needs an absolute place, not `runs`", id="relative"),
        pytest.param("file://runs", "needs an absolute place", id="relative-url"),
        pytest.param("dir://tmp", "`dir` needs another file system behind it", id="nothing-behind"),
        pytest.param("zip://runs::file:///nowhere.zip", "cannot use.*No such file", id="no-archive"),
        pytest.param("ftp://127.0.0.1:9/x", "cannot use.*refused", id="no-server"),
        pytest.param("nosuch://bucket/x", "cannot use `nosuch://bucket/x`", id="protocol"),
        pytest.param("/nowhere/conf.json", "cannot be read", id="no-file"),
        pytest.param("conf.json", "needs an absolute place", id="relative-file"),
    ],
)
def test_a_useless_configuration_is_told(config: str | None, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        create(config)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("{", "cannot be read", id="syntax"),
        pytest.param("[1]", "not a table", id="list"),
        pytest.param('{"protocol": "file"}', "lacks `root_path`", id="no-root"),
        pytest.param('{"protocol": "file", "root_path": "x"}', "needs an absolute place", id="relative"),
    ],
)
def test_a_useless_settings_file_is_told(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "conf.json").write_text(text)
    with pytest.raises(UsageError, match=problem):
        create(f"{tmp_path}/conf.json")


@pytest.mark.parametrize("run_id", ["x" * 400, "\u00fc/" * 150, "." * 300, "\ud800", "%~", "a" * 200, "a" * 201])
def test_any_text_is_a_run_id(tmp_path: Path, run_id: str) -> None:
    tracker = create(str(tmp_path / "runs"))
    tracker.add_metadata(run_id, lr=0.1)
    tracker.add_artifact(run_id, "model", "/m")
    tracker.add_source(run_id, "y" * 400)
    tracker.add_source("child", run_id)
    assert list(tracker.run_ids()) == sorted([run_id, "child"])
    assert tracker.metadata(run_id) == {"lr": 0.1}
    assert list(tracker.run_ids(parent_run_id="y" * 400)) == [run_id]
    assert list(tracker.run_ids(parent_run_id=run_id)) == ["child"]
    other = f"{run_id}z"
    assert tracker.metadata(other) == {}
