"""Pulls and pushes where the helper that keeps the logins is broken, as other programs leave it behind."""

from __future__ import annotations

import json
import os
import time
import warnings
from typing import TYPE_CHECKING

import pytest

from tests.cluster.docker.jobs import Docker, docker_jobs
from tests.cluster.images.registry import PASSWORD, USER
from torchx.errors import TransientError
from torchx.specs import AppState
from torchx_docker.connection import EngineError
from torchx_docker.oci import credentials
from torchx_docker.workspace.push import push_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.docker.engine import Client, EngineProcess
    from tests.cluster.images.registry import RegistryProcess

HELPERS = {"missing": None, "failing": "echo locked; exit 1", "hanging": "exec sleep 600", "nonsense": "echo x"}
TOLD = {
    "missing": "`docker-credential-broken`, which is not installed",
    "failing": "failed: locked",
    "hanging": "timed out",
    "nonsense": "gave no credentials",
}


@pytest.fixture
def jobs(docker: EngineProcess, tools_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Docker]:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(credentials, "HELPER_LIMIT", 0.5)
    with docker_jobs(tools_image) as docker_:
        yield docker_


@pytest.fixture(params=HELPERS)
def broken(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A credential helper that is not worth its name; yields what errors tell of it."""
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "broken"}))
    script = HELPERS[request.param]
    if script is not None:
        program = tmp_path / "docker-credential-broken"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return TOLD[request.param]


def test_an_image_for_everybody_is_pulled_and_pushed(
    jobs: Docker, docker: EngineProcess, docker_clients: list[Client], image_registry: RegistryProcess, broken: str
) -> None:
    image = f"{image_registry.name}/public/tools"
    engine = jobs.scheduler._engine
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        push_image(engine, jobs.image, image, "1", quiet=True)
        docker_clients[0].run(docker.host, "rmi", f"{image}:1").check_returncode()
        role = jobs.role("echo here")
        role.image = f"{image}:1"
        app_id = jobs.submit(role, cfg={"quiet": True})
    assert jobs.end(app_id).state == AppState.SUCCEEDED


def test_where_a_login_is_needed_the_helper_is_named_in_one_line(
    jobs: Docker, locked_registry: RegistryProcess, broken: str
) -> None:
    role = jobs.role("true")
    role.image = f"{locked_registry.name}/private/tools:1"
    begin = time.monotonic()
    with pytest.raises(EngineError, match=broken) as caught:
        jobs.submit(role, cfg={"quiet": True})
    assert time.monotonic() - begin < 10, "it was tried again"
    assert not isinstance(caught.value, TransientError)
    assert "\n" not in caught.value.message
    assert "engine answers" not in caught.value.message
    assert "remove it" in str(caught.value.hint)


def test_a_private_image_is_pulled_with_what_the_helper_gives(
    jobs: Docker,
    docker: EngineProcess,
    docker_clients: list[Client],
    locked_registry: RegistryProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = json.dumps({"Username": USER, "Secret": PASSWORD})
    program = tmp_path / "docker-credential-good"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {locked_registry.name: "good"}}))
    image = f"{locked_registry.name}/private/more-tools"
    push_image(jobs.scheduler._engine, jobs.image, image, "1", quiet=True)
    docker_clients[0].run(docker.host, "rmi", f"{image}:1").check_returncode()
    role = jobs.role("true")
    role.image = f"{image}:1"
    assert jobs.end(jobs.submit(role, cfg={"quiet": True})).state == AppState.SUCCEEDED
