"""What is noted about submissions, by several processes at once."""

from __future__ import annotations

import json
import multiprocessing
import stat
import time
from typing import TYPE_CHECKING

import pytest

from torchx.errors import TorchXError
from torchx.schedulers.batch.registry import Registry, Site

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry("batch", str(tmp_path / "batch"))


def test_it_is_below_torchx_home_whatever_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    Registry("batch").submitted("key", "7", folder="/f")
    monkeypatch.chdir("/")
    assert Registry("batch").job("7") == {"key": "key", "folder": "/f", "host": None}
    assert Registry("other").job("7") is None


def test_steps_of_a_submission(registry: Registry) -> None:
    assert registry.submission("key") is None
    registry.begin("key")
    assert registry.submission("key") == {"app_id": None}
    registry.submitted("key", "7", folder="/f", site=Site("login"))
    assert registry.submission("key") == {"app_id": "7"}
    assert registry.job_ids(Site("login")) == {"7"}
    registry.forget("key")
    registry.forget("key")
    assert registry.submission("key") is None


def test_deleted_jobs_stay_hidden_until_their_id_is_used_again(registry: Registry) -> None:
    registry.submitted("key", "7", folder="/f")
    registry.deleted("7")
    registry.deleted("8")
    assert (registry.job("7"), registry.is_deleted("7"), registry.deleted_ids()) == (None, True, {"7", "8"})
    registry.submitted("other", "7", folder="/g")
    assert (registry.is_deleted("7"), registry.deleted_ids()) == (False, {"8"})


SITES = [Site(None, "one"), Site(None, "two"), Site("login"), Site("me@login.example.org"), Site("x.json")]


def test_equal_ids_of_several_sites_are_several_jobs(registry: Registry) -> None:
    for n, site in enumerate(SITES):
        registry.submitted(f"key{n}", "7", folder=f"/{n}", site=site)
    assert [(registry.job("7", site) or {})["folder"] for site in SITES] == [f"/{n}" for n in range(len(SITES))]
    assert {*registry.hosts_of("7")} == {"login", "me@login.example.org", "x.json"}
    registry.deleted("7", SITES[1])
    assert [site for site in SITES if registry.job("7", site) is None] == [SITES[1]]
    assert [site for site in SITES if registry.is_deleted("7", site)] == [SITES[1]]
    assert (registry.job_ids(SITES[2]), registry.job_ids(SITES[1])) == ({"7"}, set())
    assert registry.other_ids(Site("new")) == {"7"}


@pytest.mark.parametrize("host", [None, "login"])
def test_notes_from_before_ids_were_told_apart_are_read(registry: Registry, tmp_path: Path, host: str | None) -> None:
    """They name the login node, and no cluster."""
    jobs = tmp_path / "batch" / "registry" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / "7.json").write_text(json.dumps({"key": "key", "folder": "/f", "host": host}))
    site = Site(host, "" if host else "one")
    assert (registry.job("7", site) or {})["folder"] == "/f"
    assert registry.job("7", Site("another")) is None
    assert "7" in registry.other_ids(site)
    registry.deleted("7", site)
    assert (registry.job("7", site), registry.is_deleted("7", site)) == (None, True)
    (tmp_path / "batch" / "registry" / "deleted" / "8.json").write_text("{}")
    assert "8" in registry.deleted_ids(site)
    registry.submitted("key", "8", folder="/g", site=site)
    assert not registry.is_deleted("8", site)


@pytest.mark.parametrize("app_id", ["../x", "a/b", "", ".", "-x", "a b", "x" * 300, "\n"])
def test_ids_are_no_paths(registry: Registry, app_id: str) -> None:
    assert registry.job(app_id) is None
    assert not registry.is_deleted(app_id)


def test_files_are_for_the_user_alone(registry: Registry, tmp_path: Path) -> None:
    registry.submitted("key", "7", folder="/f")
    for path in (tmp_path / "batch").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.parametrize("text", ["{", "{}", "7", '{"key": 1, "folder": "/f", "host": null}', '{"key": "k"}'])
def test_damaged_record_is_no_record(registry: Registry, tmp_path: Path, text: str) -> None:
    registry.submitted("key", "7", folder="/f")
    for path in ("jobs/7.json", "keys/key.json"):
        (tmp_path / "batch" / "registry" / path).write_text(text)
    assert (registry.job("7"), registry.submission("key")) == (None, None)


def test_folder_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TorchXError, match="can't write") as caught:
        Registry("batch", str(tmp_path / "file" / "x")).begin("key")
    assert "TORCHX_HOME" in (caught.value.hint or "")


def test_one_process_at_a_time_submits_a_dry_run(registry: Registry, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_submit, args=(registry, tmp_path / "log")) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert (tmp_path / "log").read_text().splitlines() == ["in", "out"] * 4


def _submit(registry: Registry, log: Path) -> None:
    with registry.lock("key"):
        _note(log, "in")
        time.sleep(0.05)  # long enough for the others to come in between, if they could
        _note(log, "out")


def _note(log: Path, word: str) -> None:
    with log.open("a") as file:
        file.write(f"{word}\n")


def _count(root: str, counter: str) -> None:
    for _ in range(25):
        with Registry("batch", root).lock("key"):
            with open(counter) as file:
                number = int(file.read())
            time.sleep(0.001)
            with open(counter, "w") as file:
                file.write(str(number + 1))


def test_lock_is_one_s_alone_and_leaves_no_file(registry: Registry, tmp_path: Path) -> None:
    """Also while others who wait for it hold a file that is gone."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context("spawn")
    counting = [context.Process(target=_count, args=(registry.root, str(counter))) for _ in range(4)]
    for process in counting:
        process.start()
    for process in counting:
        process.join(60)
    assert counter.read_text() == "100"
    with pytest.raises(TorchXError), registry.lock("key"):
        raise TorchXError("refused")
    assert not list((tmp_path / "batch" / "registry" / "keys").iterdir())
