from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchx.errors import UsageError
from torchx.plugins import EventHandlerPlugin
from torchx.plugins import manager as plugin_manager
from torchx.plugins.errors import UnknownPluginError
from torchx.runner.events import flush, log_event, record, worker
from torchx.runner.events.api import SourceType, TorchxEvent
from torchx.runner.events.destinations import as_handler
from torchx.util.masking import MASK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANARY = "c4n4ry-Xy7"
TEXT = st.none() | st.text()
EVENTS = st.builds(
    TorchxEvent,
    session=st.text(),
    scheduler=st.text(),
    api=st.text(),
    app_id=TEXT,
    app_metadata=st.none() | st.dictionaries(st.text(), st.text()),
    raw_exception=TEXT,
    source=st.sampled_from(SourceType),
    cpu_time_usec=st.none() | st.integers(),
)


class ListHandler(logging.Handler):
    """Keeps the events that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[TorchxEvent] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(TorchxEvent.deserialize(record.getMessage()))


class StubEntry:
    """A plugin entry whose object is given."""

    def __init__(self, name: str, load: Callable[[], object]) -> None:
        self.name = name
        self.load = load


class StubManager:
    """A plugin manager that knows some event handlers."""

    def __init__(self, **handlers: Callable[[], object]) -> None:
        self.entries = {name: StubEntry(name, load) for name, load in handlers.items()}

    def event_handlers(self) -> dict[str, StubEntry]:
        return self.entries

    def get(self, kind: str, name: str) -> StubEntry:
        assert kind == EventHandlerPlugin.kind.value
        if name not in self.entries:
            raise UnknownPluginError(f"no event handler `{name}`", name=name)
        return self.entries[name]


@pytest.fixture(autouse=True)
def no_destinations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHX_EVENTS", raising=False)
    monkeypatch.delenv("TORCHX_INTERNAL_SESSION_ID", raising=False)
    install(monkeypatch)


def install(monkeypatch: pytest.MonkeyPatch, **handlers: Callable[[], object]) -> None:
    manager = StubManager(**handlers)
    monkeypatch.setattr(plugin_manager, "get_plugin_manager", lambda: manager)


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> ListHandler:
    handler = ListHandler()
    install(monkeypatch, site=lambda: handler)
    return handler


def test_a_call_is_one_record(handler: ListHandler) -> None:
    before = time.time_ns() // 1000
    with log_event(
        "schedule", "local_cwd", app_image="img", app_metadata={"a": "b"}, runcfg="{}", workspace="w"
    ) as call:
        call.event.app_id = "app-1"
        threading.Event().wait(0.01)
    assert flush()
    (event,) = handler.events
    assert (event.api, event.scheduler, event.app_id) == ("schedule", "local_cwd", "app-1")
    assert (event.app_image, event.app_metadata, event.runcfg, event.workspace) == ("img", {"a": "b"}, "{}", "w")
    assert (event.exception_type, event.raw_exception) == (None, None)
    assert event.source is SourceType.EXTERNAL
    assert event.wall_time_usec is not None
    assert event.wall_time_usec >= 10_000
    assert event.cpu_time_usec is not None
    assert event.cpu_time_usec < event.wall_time_usec
    assert event.start_epoch_time_usec is not None
    assert before <= event.start_epoch_time_usec < before + 5_000_000


def test_the_environments_session_ties_calls_together(handler: ListHandler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_INTERNAL_SESSION_ID", "s-1")
    with log_event("status"):
        pass
    assert flush()
    assert (handler.events[0].session, handler.events[0].source) == ("s-1", SourceType.INTERNAL)


def test_a_call_that_raises_raises_and_its_record_says_why(handler: ListHandler) -> None:
    with pytest.raises(UsageError, match="no such app"), log_event("status"):
        raise UsageError("no such app")
    assert flush()
    (event,) = handler.events
    assert event.exception_type == "torchx.errors.UsageError"
    assert event.exception_message == "no such app"
    assert event.raw_exception is not None
    assert event.raw_exception.startswith("Traceback")
    path, line, function = (event.exception_source_location or "").rsplit(":", 2)
    assert (path, function) == (__file__, "test_a_call_that_raises_raises_and_its_record_says_why")
    assert int(line) > 1


def test_secrets_do_not_get_into_a_record(handler: ListHandler) -> None:
    runcfg = json.dumps({"env": {"HF_TOKEN": CANARY}, "queue": "q"})
    metadata = {"api_key": CANARY, "team": "a"}
    with pytest.raises(ValueError, match="bad"), log_event("run", runcfg=runcfg, app_metadata=metadata) as call:
        call.secrets.add("told-" + CANARY)
        raise ValueError(f"bad value told-{CANARY}, TOKEN={CANARY}")
    assert flush()
    (event,) = handler.events
    assert CANARY not in event.serialize()
    assert json.loads(event.runcfg or "") == {"env": {"HF_TOKEN": MASK}, "queue": "q"}
    assert event.app_metadata == {"api_key": MASK, "team": "a"}
    assert metadata["api_key"] == CANARY


def test_a_handler_that_fails_or_does_not_load_harms_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good = ListHandler()

    def no_load() -> object:
        raise ImportError("no module named acme")

    def failing() -> Callable[[TorchxEvent], None]:
        def handle(event: TorchxEvent) -> None:
            raise OSError("disk full")

        return handle

    install(monkeypatch, broken=no_load, failing=lambda: failing, odd=lambda: 42, good=lambda: good)
    for _ in range(3):
        with log_event("status"):
            pass
    assert flush()
    assert len(good.events) == 3
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 3, "one for each bad handler, not one for each record"
    assert [w for w in warnings if "broken" in w and "acme" in w]
    assert [w for w in warnings if "failing" in w and "disk full" in w]
    assert [w for w in warnings if "odd" in w and "42" in w]


def test_a_handler_that_hangs_holds_up_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(worker, "_worker", worker.Worker())
    install(monkeypatch, slow=lambda: lambda: lambda event: release.wait(30))
    start = time.monotonic()
    for _ in range(worker.QUEUE_LIMIT + 50):
        with log_event("status"):
            pass
    assert not flush(0.01)
    assert time.monotonic() - start < 10
    assert worker.get_worker().dropped >= 40
    release.set()
    assert flush(30)


@pytest.mark.parametrize("value", ["", "null", " null , "], ids=repr)
def test_destinations_can_be_switched_off(handler: ListHandler, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TORCHX_EVENTS", value)
    with log_event("status"):
        pass
    assert flush()
    assert handler.events == []


def test_destinations_are_named_in_the_environment(
    handler: ListHandler, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHX_EVENTS", "console, site")
    with log_event("status"):
        pass
    assert flush()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [TorchxEvent.deserialize(captured.err)] == handler.events


def test_an_unknown_destination_is_told_once_and_fails_nothing(
    handler: ListHandler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TORCHX_EVENTS", "nowhere,site")
    for _ in range(3):
        with log_event("status"):
            pass
    assert flush()
    assert len(handler.events) == 3
    (warning,) = caplog.records
    assert "nowhere" in warning.getMessage()
    record(TorchxEvent("s", "", "status"), "elsewhere")
    assert "elsewhere" in caplog.text


def test_an_installed_plugin_gets_the_last_records_before_the_program_ends(tmp_path: Path) -> None:
    info = tmp_path / "acme_events-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-events\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[torchx.plugins]\nacme = acme_events\n")
    (tmp_path / "acme_events.py").write_text(
        "import logging\n"
        "from torchx.plugins import EventHandlerPlugin, hookimpl\n"
        "@hookimpl\n"
        "def torchx_event_handlers():\n"
        "    return [EventHandlerPlugin(name='acme', handler='acme_events:Handler')]\n"
        "class Handler(logging.Handler):\n"
        "    def emit(self, record):\n"
        "        with open('events', 'a') as f: f.write(record.getMessage() + '\\n')\n"
    )
    program = "from torchx.runner.events import log_event\nfor api in 'ab':\n with log_event(api): pass"
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        check=True,
        timeout=60,
    )
    lines = (tmp_path / "events").read_text().splitlines()
    assert [TorchxEvent.deserialize(line).api for line in lines] == ["a", "b"]


def test_one_record_can_be_sent_somewhere(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    event = TorchxEvent("s", "slurm", "run", app_metadata={"password": CANARY})
    with caplog.at_level(logging.INFO, "torchx.events"):
        record(event)
        record(event, "console")
        record(event, "log")
    assert TorchxEvent.deserialize(capsys.readouterr().err).app_metadata == {"password": MASK}
    (logged,) = caplog.records
    assert TorchxEvent.deserialize(logged.getMessage()).app_metadata == {"password": MASK}
    assert event.app_metadata == {"password": CANARY}


def test_without_destinations_nothing_is_made_and_no_thread_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_worker", None)
    with log_event("status") as call:
        pass
    assert call._event is None
    assert worker._worker is None


def test_a_forked_child_records_as_well(handler: ListHandler) -> None:
    with log_event("parent"):
        pass
    assert flush()
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Newer Pythons warn of forks beside threads: the point here.
        pid = os.fork()
    if pid == 0:
        with log_event("child"):
            pass
        os.write(write, b"ok" if flush(5) and handler.events[-1].api == "child" else b"no")
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        assert answer.read() == b"ok"
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize(
    "make",
    [lambda h: h, lambda h: lambda: h, lambda h: lambda: h.events.append],
    ids=["handler", "factory of a handler", "factory of a function"],
)
def test_what_a_plugin_may_refer_to(make: Callable[[ListHandler], object]) -> None:
    handler = ListHandler()
    event = TorchxEvent("s", "", "status")
    as_handler(make(handler), "site")(event)
    assert handler.events == [event]


@given(EVENTS)
def test_events_survive_being_written_and_read(event: TorchxEvent) -> None:
    text = event.serialize()
    assert "\n" not in text
    assert TorchxEvent.deserialize(text) == event
    assert TorchxEvent.deserialize(event) is event
    assert str(event) == text


def test_records_of_newer_versions_can_be_read() -> None:
    text = json.dumps({"session": "s", "scheduler": "", "api": "run", "source": "MARS", "novelty": 1})
    assert TorchxEvent.deserialize(text) == TorchxEvent("s", "", "run", source=SourceType.UNKNOWN)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "{}", '{"session": "s"}', "[" * 100_000], ids=lambda t: t[:20])
def test_a_text_that_is_no_event_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="not a serialized event"):
        TorchxEvent.deserialize(text)
