"""One record for each call of a runner: which call, of which scheduler and job, with which options, how it ended."""

from __future__ import annotations

import json
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.plugins.conftest import site as site
from tests.core.runner.kit import CFG, Builder, Factories, app
from torchx.runner.events import flush
from torchx.runner.events.api import SourceType, TorchxEvent
from torchx.specs import AppState, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.core.plugins.conftest import Site
    from tests.core.runner.kit import Cluster
    from torchx.runner import Runner

HANDLER = """
    import logging, os, threading, time
    from torchx.plugins import EventHandlerPlugin, hookimpl

    @hookimpl
    def torchx_event_handlers():
        return [EventHandlerPlugin(name="acme", handler="acme_plugin:Records")]

    class Records(logging.Handler):
        def handle(self, record):
            with open(os.environ["RECORDS"], "a") as file:
                file.write(record.getMessage() + chr(10))
            {then}
"""

HANDLE = "cluster://session/job"
COMPONENT = """
from torchx import specs

def one(image: str = "i") -> specs.AppDef:
    return specs.AppDef("job", [specs.Role("w", image, entrypoint="true", resource=specs.Resource(1, 0, 1))])
"""


@pytest.fixture
def records(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[TorchxEvent]]:
    """Installs a handler; what it has got."""
    file = tmp_path / "records"
    monkeypatch.setenv("RECORDS", str(file))
    monkeypatch.setenv("TORCHX_INTERNAL_SESSION_ID", "the-session")
    site.plugin("acme", HANDLER.format(then="pass"))
    site.manager()

    def read() -> list[TorchxEvent]:
        assert flush(10)
        return [TorchxEvent.deserialize(line) for line in file.read_text().splitlines()] if file.exists() else []

    return read


@pytest.fixture
def factories(records: object) -> Factories:
    return Factories(Builder)


@pytest.fixture
def runner(factories: Factories) -> Runner:
    return factories.runner()


@pytest.fixture(autouse=True)
def cluster(runner: Runner, factories: Factories) -> Cluster:
    """The runner's scheduler, with one job."""
    runner.scheduler_run_opts("cluster")
    (scheduler,) = factories.made
    scheduler.jobs["job"] = app()
    scheduler.lines["w", 0] = ["a\n", "b\n"]
    return scheduler


RESOLVED = {"queue": "q", "priority": 1, "tags": None}

# name of the call -> (the call, app id in its record, options in its record)
CALLS: dict[str, tuple[Callable[[Runner], Any], str | None, dict[str, Any] | None]] = {
    "dryrun": (lambda r: r.dryrun(app(), "cluster", CFG), None, RESOLVED),
    "dryrun_component": (lambda r: r.dryrun_component("c.py:one", [], "cluster", CFG), None, RESOLVED),
    "run": (lambda r: r.run(app(), "cluster", CFG), "job", RESOLVED),
    "run_component": (lambda r: r.run_component("c.py:one", {"image": "x"}, "cluster", CFG), "job", RESOLVED),
    "build_workspace": (
        lambda r: r.build_workspace(app(workspace=Workspace({"p": ""})), "cluster", CFG),
        None,
        RESOLVED,
    ),
    "status": (lambda r: r.status(HANDLE), "job", None),
    "poll": (lambda r: r.poll(HANDLE), "job", None),
    "statuses": (lambda r: r.statuses([HANDLE, "cluster://session/two"]), None, None),
    "describe_many": (lambda r: r.describe_many([HANDLE, "cluster://session/two"]), None, None),
    "describe": (lambda r: r.describe(HANDLE), "job", None),
    "describe_native": (lambda r: r.describe_native(HANDLE), "job", None),
    "list": (lambda r: r.list("cluster", {"priority": 2}), None, {"queue": None, "priority": 2, "tags": None}),
    "iter_list": (lambda r: [*r.iter_list("cluster")], None, None),
    "log_lines": (lambda r: [*r.log_lines(HANDLE, "w")], "job", None),
    "log_blocks": (lambda r: [*r.log_blocks(HANDLE)], "job", None),
    "cancel": (lambda r: r.cancel(HANDLE), "job", None),
    "stop": (lambda r: r.stop(HANDLE), "job", None),
    "delete": (lambda r: r.delete(HANDLE), "job", None),
}


@pytest.fixture(autouse=True)
def component(site: Site) -> None:
    """A component in the current folder."""
    from pathlib import Path

    Path("c.py").write_text(COMPONENT)


@pytest.mark.parametrize("name", CALLS)
def test_each_call_makes_one_record(runner: Runner, records: Callable[[], list[TorchxEvent]], name: str) -> None:
    call, app_id, options = CALLS[name]
    before = time.time_ns() // 1000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        call(runner)
    (event,) = records()
    assert (event.api, event.scheduler, event.app_id) == (name, "cluster", app_id)
    assert (json.loads(event.runcfg) if event.runcfg else None) == options
    assert (event.session, event.source) == ("the-session", SourceType.INTERNAL)
    assert event.exception_type is event.exception_message is event.raw_exception is None
    assert event.wall_time_usec is not None
    assert event.start_epoch_time_usec is not None
    assert before <= event.start_epoch_time_usec <= time.time_ns() // 1000


def test_every_public_call_is_in_the_table_or_asks_nothing_of_a_scheduler() -> None:
    from torchx.runner import Runner

    local = {"name", "scheduler_backends", "scheduler_run_opts", "cfg_from_str", "prepare", "close"}
    methods = {name for name in vars(Runner) if not name.startswith("_")}
    assert methods - local == {*CALLS, "schedule", "wait"}


def test_submission_tells_job_image_and_options(runner: Runner, records: Callable[[], list[TorchxEvent]]) -> None:
    given = app()
    given.metadata["team"] = "a"
    runner.schedule(runner.dryrun(given, "cluster", CFG, workspace="here"))
    dryrun, schedule = records()
    assert (dryrun.api, dryrun.app_image, dryrun.app_metadata, dryrun.workspace) == (
        "dryrun",
        "image",
        {"team": "a"},
        "here",
    )
    assert (schedule.api, schedule.app_id, schedule.app_image) == ("schedule", "job", "image+here")
    assert schedule.app_metadata is not None
    assert schedule.app_metadata["team"] == "a"
    assert json.loads(schedule.runcfg or "") == RESOLVED


def test_wait_is_one_record_however_often_it_asks(
    runner: Runner, cluster: Cluster, records: Callable[[], list[TorchxEvent]]
) -> None:
    cluster.states = [AppState.PENDING, AppState.RUNNING, ConnectionError("later"), AppState.SUCCEEDED]
    runner.wait(HANDLE, wait_interval=0.01)
    (event,) = records()
    assert (event.api, event.app_id, event.exception_type) == ("wait", "job", None)


@pytest.mark.parametrize(
    ("call", "name", "scheduler", "app_id", "kind"),
    [
        (lambda r: r.status("nonsense"), "status", "", None, "MalformedAppHandleException"),
        (lambda r: r.cancel("cluster://s/gone"), "cancel", "cluster", "gone", "UnknownAppException"),
        (lambda r: [*r.log_lines("cluster://s/gone", "w")], "log_lines", "cluster", "gone", "UnknownAppException"),
        (lambda r: [*r.log_blocks("cluster://s/gone")], "log_blocks", "cluster", "gone", "UnknownAppException"),
        (lambda r: r.list("nowhere"), "list", "nowhere", None, "UnknownSchedulerException"),
        (lambda r: r.run(app(), "cluster", {}), "run", "cluster", None, "InvalidRunConfigException"),
        (
            lambda r: r.run_component("no.such", [], "cluster"),
            "run_component",
            "cluster",
            None,
            "ComponentNotFoundException",
        ),
        (
            lambda r: r.dryrun_component("c.py:one", ["--x"], "cluster"),
            "dryrun_component",
            "cluster",
            None,
            "ComponentArgsError",
        ),
    ],
    ids=["handle", "cancel", "log_lines", "log_blocks", "list", "run", "component", "component's arguments"],
)
def test_failed_call_is_one_record_with_the_reason(
    runner: Runner,
    records: Callable[[], list[TorchxEvent]],
    call: Callable[[Runner], Any],
    name: str,
    scheduler: str,
    app_id: str | None,
    kind: str,
) -> None:
    with pytest.raises(Exception, match=r".") as raised:
        call(runner)
    (event,) = records()
    assert (event.api, event.scheduler, event.app_id) == (name, scheduler, app_id)
    assert event.exception_type is not None
    assert event.exception_type.endswith(kind)
    assert event.exception_message == str(raised.value)
    assert event.raw_exception is not None
    assert event.raw_exception.startswith("Traceback")
    assert event.exception_source_location is not None
    assert ".py:" in event.exception_source_location


def test_list_that_is_left_early_is_no_failure(runner: Runner, records: Callable[[], list[TorchxEvent]]) -> None:
    rows = runner.iter_list("cluster")
    next(iter(rows))
    runner.status(HANDLE)
    rows.close()  # type: ignore[attr-defined]  # it is a generator
    status, listed = records()
    assert (status.api, listed.api) == ("status", "iter_list")
    assert listed.exception_type is None


def test_calls_of_threads_are_no_parts_of_each_other(runner: Runner, records: Callable[[], list[TorchxEvent]]) -> None:
    threads = [threading.Thread(target=runner.run, args=(app(), "cluster", CFG)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.api for event in records()] == ["run"] * 8


def test_calls_that_a_hook_makes_are_records_of_their_own(
    site: Site, runner: Runner, records: Callable[[], list[TorchxEvent]]
) -> None:
    site.plugin(
        "curious",
        """
        from torchx.plugins import hookimpl
        RUNNERS = []

        @hookimpl
        def torchx_app_submitted(event):
            RUNNERS[0].status(event.app_handle)
        """,
    )
    site.manager().has_lifecycle_hooks()
    import curious_plugin  # type: ignore[import-not-found]  # just installed

    curious_plugin.RUNNERS.append(runner)
    runner.run(app(), "cluster", CFG)
    assert [event.api for event in records()] == ["status", "run"]


@pytest.mark.parametrize(
    "then",
    [
        "raise ValueError('boom')",
        "raise SystemExit(3)",
        "threading.Event().wait()",
        "no_such_name",
    ],
    ids=["raises", "exits", "blocks", "is broken"],
)
def test_bad_handler_neither_slows_nor_fails_a_call(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    code = """
        import os, time
        from torchx.runner import get_runner
        from torchx.runner.events import flush
        limit = float(os.environ["LIMIT"])
        with get_runner() as runner:
            runner.list("local_cwd")
            flush(limit)
            start = time.perf_counter()
            for _ in range(50):
                runner.list("local_cwd")
            print(time.perf_counter() - start < 2, flush(limit))
    """
    site.plugin("acme", HANDLER.format(then=then))
    records = tmp_path / "records"
    environment = {"RECORDS": str(records), "TORCHX_HOME": str(tmp_path), "LIMIT": "0.2" if "wait" in then else "20"}
    quick, delivered = site.python(code, **environment).split()
    assert quick == "True"
    # A handler that fails gets the next record all the same; one that blocks keeps only itself waiting.
    assert delivered == str("wait" not in then)
    assert len(records.read_text().splitlines()) == (1 if "wait" in then else 51)


def test_open_telemetry_is_optional(site: Site, tmp_path: Path) -> None:
    code = """
        import sys
        sys.modules["opentelemetry"] = None
        from torchx.runner import get_runner
        from torchx.runner.events import flush
        with get_runner() as runner:
            print(runner.list("local_cwd"), flush(5))
        print([name for name in sys.modules if name.startswith("opentelemetry.")])
    """
    for destination in ("", "otel"):
        told = site.python(code, TORCHX_EVENTS=destination, TORCHX_HOME=str(tmp_path))
        assert told.splitlines() == ["[] True", "[]"]
