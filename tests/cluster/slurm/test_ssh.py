"""Slurm on a login node, over SSH: what every scheduler must do, from a machine without any of Slurm's commands."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.slurm.cluster import PATH
from tests.cluster.slurm.ssh_server import HOST, SshServer
from torchx.errors import TorchXError, TransientError
from torchx.runner._logs import LogQuery, log_blocks
from torchx.specs.api import AppState, Resource, Workspace
from torchx.testing import SchedulerConformance
from torchx.testing.jobs import Jobs
from torchx.testing.waiting import until
from torchx_slurm.scheduler import create_scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.cluster.slurm.cluster import SlurmCluster
    from torchx.specs.api import CfgVal

    Outage = Callable[[], AbstractContextManager[object]]


@pytest.fixture(scope="module")
def ssh_server(slurm_cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    conf = {"SLURM_CONF": str(slurm_cluster.conf), "PATH": PATH}
    server = SshServer(tmp_path_factory.mktemp("ssh"), conf, PATH)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def login(slurm: SlurmCluster, ssh_server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshServer:
    """The login node; this machine has nothing but the SSH client."""
    monkeypatch.delenv("SLURM_CONF")
    monkeypatch.setenv("PATH", str(ssh_server.bin))
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    return ssh_server


@pytest.fixture
def outage(login: SshServer) -> Outage:
    """Nobody can log in, and whoever is logged in is thrown out."""

    @contextlib.contextmanager
    def outage() -> Iterator[None]:
        login.stop()
        try:
            yield
        finally:
            login.start()

    return outage


@pytest.fixture
def cfg(tmp_path: Path) -> dict[str, CfgVal]:
    return {"job_dir": str(tmp_path / "jobs")}


@pytest.mark.slow
class TestSlurmOverSsh(SchedulerConformance):
    """Unreachable means that nobody can log in."""

    selects_by_time = False
    timeout = 90

    @pytest.fixture
    def factory(self, login: SshServer) -> str:
        return "torchx_slurm.scheduler:create_scheduler"

    @pytest.fixture
    def factory_args(self) -> dict[str, Any]:
        return {"ssh_host": HOST}

    @pytest.fixture
    def cfg(self, cfg: dict[str, CfgVal]) -> dict[str, CfgVal]:
        return cfg

    @pytest.fixture
    def image(self) -> str:
        return ""

    @pytest.fixture
    def outage(self, outage: Outage) -> Outage:
        return outage


@pytest.fixture
def jobs(slurm: SlurmCluster, login: SshServer, cfg: dict[str, CfgVal]) -> Iterator[Jobs]:
    """Jobs whose login node is an option of each, as on the command line."""
    resource = Resource(cpu=1, gpu=0, memMB=64)
    with contextlib.closing(create_scheduler("test")) as scheduler:
        jobs = Jobs(scheduler, cfg={**cfg, "ssh_host": HOST}, image="", resource=resource, timeout=90)
        yield jobs
        slurm.repair()
        jobs.clean_up()


def test_the_job_remembers_its_login_node(jobs: Jobs) -> None:
    app_id = jobs.run("echo hello")
    assert jobs.lines(app_id) == ["hello\n"]
    assert jobs.end(app_id).state == AppState.SUCCEEDED


def test_following_survives_lost_connections(jobs: Jobs, outage: Outage) -> None:
    app_id = jobs.run("for n in $(seq 20); do echo $n; sleep 0.5; done")
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(jobs.lines(app_id)), daemon=True)
    reader.start()
    for _ in range(3):
        until(lambda: jobs.describe(app_id).state != AppState.PENDING, 60)
        with outage():
            pass
    reader.join(90)
    assert seen == [f"{n + 1}\n" for n in range(20)]


def test_workspace_is_copied_to_the_login_node(jobs: Jobs, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    (project / "sub" / "it's $HOME.txt").write_text("found\n")
    (project / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (project / "run.sh").chmod(0o755)
    role = jobs.role('cat "sub/it\'s \\$HOME.txt" && ./run.sh')
    role.workspace = Workspace({str(project): ""})
    role.image = "project"
    app = jobs.app(role)
    jobs.scheduler.build_workspaces(app.roles, jobs.cfg)  # type: ignore[attr-defined]  # of the workspace mixin
    app_id = jobs.schedule(jobs.dryrun(app))
    assert jobs.end(app_id).state == AppState.SUCCEEDED
    assert jobs.lines(app_id) == ["found\n", "ran\n"]


def test_job_of_thousands_of_replicas_is_asked_about(jobs: Jobs, tmp_path: Path) -> None:
    """Their names are more than there is room for on a command line. The nodes have no room for so many: it is its
    record that tells of them."""
    app_id = jobs.run("echo hello; sleep 600")
    until(lambda: jobs.describe(app_id).state == AppState.RUNNING, 60)
    [folder] = (tmp_path / "jobs" / ".torchx-jobs").iterdir()
    record = json.loads((folder / "job.json").read_text())
    record["roles"][0]["spec"]["num_replicas"] = 8000
    (folder / "job.json").write_text(json.dumps(record))
    with contextlib.closing(create_scheduler("test")) as scheduler:
        described = scheduler.describe(app_id)
        assert described is not None
        assert len(described.roles_statuses[0].replicas) == 8000
        replicas = [("worker", k) for k in range(8000)]
        blocks = log_blocks(scheduler, app_id, replicas, LogQuery(should_tail=False))
        assert [*blocks] == [(("worker", 0), b"hello\n")]
        scheduler.cancel(app_id)
        assert jobs.end(app_id).state == AppState.CANCELLED
        scheduler.delete(app_id)
        assert not folder.exists()
        jobs.ids.remove(app_id)


@pytest.mark.parametrize("host", ["no.such.host.test", "-oProxyCommand=touch pwned"])
def test_login_node_that_is_not_there_is_told_in_one_line(jobs: Jobs, host: str, tmp_path: Path) -> None:
    app = jobs.app(jobs.role("true"))
    with pytest.raises((TorchXError, TransientError)) as caught:
        jobs.schedule(jobs.scheduler.submit_dryrun(app, {**jobs.cfg, "ssh_host": host}))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("pwned"))
