"""What ``local_docker`` makes of a job, seen from inside its containers and from the engine."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.docker.jobs import TIMEOUT, Docker, docker_jobs
from torchx.errors import TorchXError
from torchx.schedulers.api import Stream
from torchx.specs import AppState, BindMount, DeviceMount, Resource, RetryPolicy, VolumeMount, macros
from torchx.specs.overlays import set_overlay
from torchx.testing.waiting import until
from torchx_docker.details import MOST_EXPLAINED
from torchx_docker.scheduler import DockerScheduler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.docker.engine import Client, EngineProcess
    from tests.cluster.images.registry import RegistryProcess

MB = 1024 * 1024


@pytest.fixture
def jobs(docker: EngineProcess, tools_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Docker]:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    with docker_jobs(tools_image) as docker_:
        yield docker_


def torchx(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torchx", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


# -- containers ----------------------------------------------------------------------------------------------------


def test_containers_have_the_labels_names_and_network_that_other_tools_look_for(jobs: Docker) -> None:
    app_id = jobs.submit(jobs.role("sleep 600", num_replicas=2), jobs.role("sleep 600", name="other"), name="my job")
    containers = jobs.containers(app_id)
    assert app_id.startswith("my-job-")
    assert [c["Name"] for c in containers] == [f"/{app_id}-worker-0", f"/{app_id}-worker-1", f"/{app_id}-other-0"]
    assert [
        {key.removeprefix("torchx.pytorch.org/"): value for key, value in c["Config"]["Labels"].items()}
        | {"role": None, "version": None}
        for c in containers
    ] == [
        {"app-id": app_id, "app-name": "my job", "role-index": index, "role-name": role, "replica-id": k}
        | {"role": None, "version": None}
        for index, role, k in (("0", "worker", "0"), ("0", "worker", "1"), ("1", "other", "0"))
    ]
    assert {"torchx"} == {name for c in containers for name in c["NetworkSettings"]["Networks"]}


def test_replicas_of_long_and_odd_role_names_are_apart_and_reach_each_other(jobs: Docker) -> None:
    names = ["x" * 200, "x" * 199 + "y", "a b", "a-b", "A-B"]
    look = 'for host in "$@"; do until getent hosts "$host" > /dev/null; do sleep 0.1; done; echo "$host"; done'
    roles = [jobs.role("sleep 600", name=name) for name in names]
    app_id = jobs.submit(*roles)
    hosts = [c["Config"]["Hostname"] for c in jobs.containers(app_id)]
    assert len({*hosts}) == len(names)
    assert max(len(host) for host in hosts) <= 63
    assert jobs.output(jobs.role(look, *hosts)) == [f"{host}\n" for host in hosts]


def test_every_replica_knows_the_host_of_rank_0_and_reaches_it(jobs: Docker) -> None:
    code = f"until getent hosts ${macros.rank0_env} > /dev/null; do sleep 0.1; done; echo ${macros.rank0_env}; sleep 3"
    app_id = jobs.submit(jobs.role(code, num_replicas=2), jobs.role(code, name="other"))
    for role, k in (("worker", 0), ("worker", 1), ("other", 0)):
        assert jobs.lines(app_id, role, k) == [f"{app_id}-worker-0\n"]


def test_resources_are_limits_of_the_containers_control_group(jobs: Docker) -> None:
    first = "cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us memory/memory.limit_in_bytes"
    second = "cat cpu.max memory.max"
    code = f"cd /sys/fs/cgroup; if test -e cpu.max; then {second}; else {first}; fi"
    role = jobs.role(code, resource=Resource(cpu=3, gpu=0, memMB=96))
    assert "".join(jobs.output(role)).split() == ["300000", "100000", str(96 * MB)]


def test_fractional_cpus_and_shared_memory(jobs: Docker) -> None:
    app_id = jobs.submit(jobs.role("sleep 600", resource=Resource(cpu=0.5, gpu=0, memMB=96)))  # type: ignore[arg-type]  # fractional resources are floats
    host = jobs.container(app_id)["HostConfig"]
    assert (host["CpuQuota"], host["Memory"], host["ShmSize"]) == (50_000, 96 * MB, 96 * MB)


def test_without_a_resource_there_is_no_limit(jobs: Docker) -> None:
    from torchx.specs import NULL_RESOURCE

    host = jobs.container(jobs.submit(jobs.role("sleep 600", resource=NULL_RESOURCE)))["HostConfig"]
    assert (host["CpuQuota"], host["Memory"]) == (0, 0)


def test_folders_volumes_and_devices_are_mounted(jobs: Docker, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("from outside\n")
    (tmp_path / "out").mkdir()
    mounts = [
        BindMount(str(tmp_path / "in"), "/in", read_only=True),
        BindMount(str(tmp_path / "out"), "/out"),
        VolumeMount("torchx-test", "/volume"),
        DeviceMount("/dev/null", "/dev/nothing", permissions="rw"),
    ]
    code = """
    cat /in/file
    touch /in/x 2> /dev/null || echo read only
    echo result > /out/file
    echo kept > /volume/file
    ls -l /dev/nothing | head -c 1
    """
    assert "".join(jobs.output(jobs.role(code, mounts=[*mounts]))) == "from outside\nread only\nc"
    assert (tmp_path / "out" / "file").read_text() == "result\n"
    again = jobs.role("cat /volume/file", mounts=[VolumeMount("torchx-test", "/volume", read_only=True)])
    assert jobs.output(again) == ["kept\n"]


def test_a_folder_that_is_not_there_is_one_error_and_nothing_is_left(jobs: Docker) -> None:
    role = jobs.role("true", mounts=[BindMount("/no/such/folder", "/in")])
    with pytest.raises(TorchXError, match="/no/such/folder"):
        jobs.submit(role)
    assert jobs.scheduler.describe(jobs.ids[-1]) is None


def test_ports_are_published_on_this_machine(jobs: Docker) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app_id = jobs.submit(jobs.role("sleep 600", port_map={"http": port}))
    assert jobs.container(app_id)["NetworkSettings"]["Ports"] == {
        f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
    }
    several = jobs.submit(jobs.role("sleep 600", port_map={"http": 8080}, num_replicas=2))
    ports = [c["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"] for c in jobs.containers(several)]
    assert len({*ports}) == 2


def test_environment_comes_from_the_options_the_role_and_the_shell(
    jobs: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COPIED_ONE", "COPIED_TWO", "EXACT", "LEFT"):
        monkeypatch.setenv(name, f"shell's {name}")
    role = jobs.role(
        'echo "$COPIED_ONE,$COPIED_TWO,$EXACT,$LEFT,$A,$B"', env={"COPIED_TWO": "role's", "A": "role's", "B": "role's"}
    )
    lines = jobs.output(role, cfg={"copy_env": ["COPIED_*", "EXACT"], "env": {"A": "option's=,"}})
    assert lines == ["shell's COPIED_ONE,role's,shell's EXACT,,option's=,,role's\n"]


def test_an_image_that_is_nowhere_is_one_error_and_nothing_is_left(jobs: Docker) -> None:
    role = jobs.role("true")
    role.image = "localhost:1/no/such:image"
    with pytest.raises(TorchXError, match=r"localhost:1/no/such:image") as caught:
        jobs.submit(role)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert jobs.scheduler.describe(jobs.ids[-1]) is None


def test_a_port_that_is_taken_is_published_at_a_free_one(jobs: Docker, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        first = jobs.submit(jobs.role("sleep 600", port_map={"http": port}))
    port_of = {"first": _published(jobs, first, port)}
    # Two roles with one port, beside a job that has it as well.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    roles = [jobs.role("sleep 600", name=name, port_map={"http": port}) for name in ("a", "b")]
    second, third = jobs.submit(*roles), jobs.submit(roles[0])
    published = [*port_of["first"], *_published(jobs, second, port), *_published(jobs, third, port)]
    assert len({*published}) == 4
    assert str(port) in published
    assert sum("is taken on this machine" in text for text in caplog.messages) == 3


def _published(jobs: Docker, app_id: str, port: int) -> list[str]:
    assert jobs.reach(app_id, AppState.RUNNING)
    return [c["NetworkSettings"]["Ports"][f"{port}/tcp"][0]["HostPort"] for c in jobs.containers(app_id)]


# -- states --------------------------------------------------------------------------------------------------------


def test_a_failed_replica_tells_its_exit_code_and_the_others_are_ended(jobs: Docker) -> None:
    app_id = jobs.submit(
        jobs.role('test "$1" = 0 || exit 3; sleep 600', macros.replica_id, num_replicas=3, max_retries=0)
    )
    described = jobs.end(app_id)
    assert described.state == AppState.FAILED
    assert "worker/" in described.msg
    assert "exit code 3" in described.msg
    replicas = described.roles_statuses[0].replicas
    assert replicas[0].state == AppState.CANCELLED
    assert {r.structured_error_msg for r in replicas[1:] if r.state == AppState.FAILED} == {"exit code 3"}


def test_out_of_memory_is_told(jobs: Docker) -> None:
    hog = "head -c 200000000 /dev/zero | tail -c 190000000 > /dev/null; exit $?"
    described = jobs.end(jobs.submit(jobs.role(hog, resource=Resource(cpu=1, gpu=0, memMB=32))))
    assert described.state == AppState.FAILED
    assert (
        described.roles_statuses[0]
        .replicas[0]
        .structured_error_msg.startswith("out of memory: killed at its limit of 32 MB")
    )


def test_a_cancelled_job_stays_cancelled_for_everybody(jobs: Docker) -> None:
    app_id = jobs.submit(jobs.role("trap 'exit 0' TERM; while :; do sleep 0.1; done", num_replicas=2))
    jobs.reach(app_id, AppState.RUNNING)
    jobs.scheduler.cancel(app_id)
    with docker_jobs(jobs.image) as another:
        described = another.end(app_id)
    assert described.state == AppState.CANCELLED
    assert {r.state for r in described.roles_statuses[0].replicas} == {AppState.CANCELLED}
    assert {c["Name"].rpartition(".")[2] for c in jobs.containers(app_id)} == {"cancelled"}


def test_delete_removes_containers_that_run_and_their_anonymous_volumes(jobs: Docker) -> None:
    app_id = jobs.submit(jobs.role("sleep 600", num_replicas=2))
    jobs.scheduler.delete(app_id)
    assert jobs.scheduler.describe(app_id) is None
    assert app_id not in [row.app_id for row in jobs.scheduler.list()]


def test_the_list_is_of_jobs_alone(jobs: Docker) -> None:
    before = {row.app_id for row in jobs.scheduler.list()}  # jobs of other tests
    api = jobs.scheduler._engine.client.api
    stranger = api.create_container_from_config({"Image": jobs.image, "Cmd": ["true"]}, "stranger")["Id"]
    odd = api.create_container_from_config(
        {"Image": jobs.image, "Cmd": ["true"], "Labels": {"torchx.pytorch.org/app-id": "odd"}}, "odd"
    )["Id"]
    try:
        app_id = jobs.submit(jobs.role("true", num_replicas=2))
        assert {row.app_id for row in jobs.scheduler.list()} - before == {app_id}
    finally:
        for container in (stranger, odd):
            api.remove_container(container, force=True)


# -- retries -------------------------------------------------------------------------------------------------------

FAILS_TWICE = 'echo run; echo x >> /tmp/runs; test "$(wc -l < /tmp/runs)" -gt 2'


def test_a_replica_is_started_again_by_the_engine(jobs: Docker) -> None:
    app_id = jobs.submit(jobs.role(FAILS_TWICE, max_retries=2))
    described = jobs.end(app_id)
    assert (described.state, described.num_restarts) == (AppState.SUCCEEDED, 2)
    assert jobs.lines(app_id) == ["run\n"] * 3


def test_retries_come_to_an_end(jobs: Docker) -> None:
    app_id = jobs.submit(jobs.role("echo run; exit 3", max_retries=1))
    assert jobs.end(app_id).state == AppState.FAILED
    assert jobs.lines(app_id) == ["run\n"] * 2


@pytest.mark.parametrize(
    ("policy", "runs"), [("REPLICA", [1, 3, 1]), ("ROLE", [3, 3, 1]), ("APPLICATION", [3, 3, 3])], ids=lambda v: str(v)
)
def test_what_is_started_again_is_what_the_policy_says(jobs: Docker, policy: str, runs: list[int]) -> None:
    code = 'echo run; test "$1" = 0 && sleep 600; ' + FAILS_TWICE.removeprefix("echo run; ")
    worker = jobs.role(code, macros.replica_id, num_replicas=2, max_retries=2, retry_policy=RetryPolicy(policy))
    # Replica 1 fails twice; replica 0 and the other role go on until they are ended.
    app_id = jobs.submit(worker, jobs.role("echo run; sleep 600", name="other"))
    until(lambda: _runs(jobs, app_id, "worker", 1) == 3, TIMEOUT, "three runs of the replica that fails")
    until(lambda: [_runs(jobs, app_id, *r) for r in (("worker", 0), ("worker", 1), ("other", 0))] == runs, TIMEOUT)
    assert jobs.describe(app_id).state == AppState.RUNNING
    assert jobs.describe(app_id).num_restarts == 2


def _runs(jobs: Docker, app_id: str, role: str, k: int) -> int:
    return [*jobs.scheduler.log_iter(app_id, role, k)].count("run\n")


OBEYS = 'trap "echo told; exit 7" {signal}; echo run; while :; do sleep 0.1; done'


@pytest.mark.parametrize("signal", ["TERM", "USR1"])
def test_a_program_that_obeys_the_images_stop_signal_with_a_code_is_not_started_again(
    jobs: Docker, signal: str
) -> None:
    role = jobs.role(OBEYS.format(signal=signal), max_retries=3, retry_policy=RetryPolicy.REPLICA)
    if signal != "TERM":
        set_overlay(role, "local_docker", "container", {"StopSignal": f"SIG{signal}"})
    app_id = jobs.submit(role)
    until(lambda: _runs(jobs, app_id, "worker", 0) == 1, TIMEOUT, "its start")
    jobs.scheduler.cancel(app_id)
    described = jobs.describe(app_id)
    assert (described.state, described.num_restarts) == (AppState.CANCELLED, 0)
    assert jobs.lines(app_id) == ["run\n", "told\n"]
    assert jobs.container(app_id)["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_a_job_that_waits_for_its_next_run_is_cancelled(jobs: Docker) -> None:
    app_id = jobs.submit(jobs.role("exit 3", max_retries=50))
    until(lambda: jobs.container(app_id)["State"]["Restarting"], TIMEOUT, "a pause between two runs")
    jobs.scheduler.cancel(app_id)
    described = jobs.describe(app_id)
    assert described.state == AppState.CANCELLED
    assert not jobs.container(app_id)["State"]["Running"]


@pytest.mark.parametrize("policy", ["APPLICATION", "ROLE", "REPLICA"])
def test_the_state_of_many_replicas_with_retries_is_one_call(
    jobs: Docker, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = jobs.role("sleep 600", num_replicas=6, max_retries=3, retry_policy=RetryPolicy(policy))
    app_id = jobs.submit(role)
    monkeypatch.delattr(type(jobs.scheduler._engine), "inspect")
    assert jobs.describe(app_id).state == AppState.RUNNING


def test_the_state_of_many_failed_replicas_is_a_few_calls_at_first_and_then_one(jobs: Docker) -> None:
    app_id = jobs.submit(jobs.role("exit $(($1 + 1))", macros.replica_id, num_replicas=12))
    jobs.reach(app_id, AppState.FAILED)
    until(lambda: not any(c["State"]["Running"] for c in jobs.containers(app_id)), TIMEOUT, "the end of all")
    scheduler = DockerScheduler("another shell")
    api = scheduler._engine.client.api
    calls: list[str] = []
    send = api.send

    def counted(request: Any, **more: Any) -> Any:
        calls.append(request.url)
        return send(request, **more)

    api.send = counted
    first = scheduler.describe(app_id)
    assert len(calls) <= 1 + 2 * MOST_EXPLAINED
    calls.clear()
    assert scheduler.describe(app_id) == first
    assert len(calls) == 1
    assert first is not None
    replicas = first.roles_statuses[0].replicas
    failed = [r for r in replicas if r.state == AppState.FAILED]
    assert [r.structured_error_msg for r in failed] == [f"exit code {r.id + 1}" for r in failed]
    scheduler.close()


def test_a_keeper_that_can_not_write_is_an_error_and_nothing_is_left(
    jobs: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(TorchXError, match=r"can't be started.*Not a directory") as caught:
        jobs.submit(jobs.role("sleep 600", num_replicas=2))
    assert "TORCHX_HOME" in str(caught.value.hint)
    monkeypatch.setattr("torchx_docker.keeper._lock_path", lambda app_id: str(tmp_path))
    with pytest.raises(TorchXError, match=r"can't be started.*Is a directory"):
        jobs.submit(jobs.role("sleep 600", num_replicas=2))
    assert [jobs.scheduler.describe(app_id) for app_id in jobs.ids] == [None, None]


@pytest.mark.parametrize("session", [True, False], ids=["of the login", "for temporary files"])
def test_a_job_is_kept_where_the_home_folder_can_not_be_written_to(
    jobs: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: bool
) -> None:
    (tmp_path / "file").touch()
    for name in ("session", "shared"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("session" if session else "file")))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "shared"))
    app_id = jobs.submit(jobs.role('test "$1" = 0 || exit 3; sleep 600', macros.replica_id, num_replicas=2))
    assert jobs.end(app_id).state == AppState.FAILED
    assert [path.name for path in (tmp_path / ("session" if session else "shared")).iterdir()]


def test_a_job_is_kept_from_a_folder_that_is_named_from_here(
    jobs: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCHX_HOME", "here")
    app_id = jobs.submit(jobs.role('test "$1" = 0 || exit 3; sleep 600', macros.replica_id, num_replicas=2))
    assert jobs.end(app_id).state == AppState.FAILED
    assert (tmp_path / "here" / "docker").is_dir()


# -- the command line ----------------------------------------------------------------------------------------------


def test_another_shell_sees_follows_lists_cancels_and_deletes(jobs: Docker) -> None:
    app_id = jobs.submit(jobs.role("echo ready; sleep 600"))
    handle = f"local_docker://test/{app_id}"
    until(lambda: torchx("log", handle).stdout == "worker/0 ready\n", TIMEOUT, "the first line")
    assert json.loads(torchx("status", "--json", handle).stdout)["state"] == "RUNNING"
    assert app_id in torchx("list", "-s", "local_docker").stdout
    assert torchx("cancel", handle).returncode == 0
    assert json.loads(torchx("status", "--json", handle).stdout)["state"] == "CANCELLED"
    assert torchx("delete", handle).returncode == 0
    assert torchx("status", handle).returncode != 0


def test_the_workspace_is_built_into_the_image(jobs: Docker, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("from the workspace\n")
    job = ("utils.sh", "--image", jobs.image, "cat", "data.txt")
    done = torchx("run", "-s", "local_docker", "--workspace", str(tmp_path), "--wait", "--log", *job)
    assert done.returncode == 0, done.stderr
    assert "sh/0 from the workspace" in done.stderr
    jobs.ids.append(done.stdout.splitlines()[0].rpartition("/")[2])
    described = jobs.describe(jobs.ids[-1])
    assert described.roles[0].image.startswith("sha256:")


def test_a_dry_run_shows_the_image_that_oci_will_push(
    jobs: Docker, docker: EngineProcess, image_registry: RegistryProcess, docker_clients: list[Client], tmp_path: Path
) -> None:
    base = f"{image_registry.name}/dry/run"
    for command in (["tag", jobs.image, base], ["push", "-q", base]):
        docker_clients[0].run(docker.host, *command).check_returncode()
    (tmp_path / "data.txt").write_text("from the workspace\n")
    job = ("--workspace", str(tmp_path), "utils.sh", "--image", base, "cat", "data.txt")
    for more in ([], ["--json"]):
        done = torchx("run", "-s", "local_docker", "-cfg", "workspace_type=oci", "--dryrun", *more, *job)
        assert done.returncode == 0, done.stderr
        request = json.loads(done.stdout)["request"] if more else done.stdout
        assert f"builder: oci\n  images:\n  - {base}" in str(request)


def test_the_doctor_asks_the_engine(jobs: Docker) -> None:
    told = torchx("doctor", "torchx-docker").stdout
    assert "scheduler local_docker: answers" in told, told


def test_long_lines_of_both_outputs_stay_whole_where_they_meet(jobs: Docker) -> None:
    many = "for n in $(seq 20); do seq 9000 | tr '\\n' '{end}'; echo; done"
    code = f"{{ {many.format(end=' ')}; }} & {{ {many.format(end='-')}; }} >&2 & wait"
    app_id = jobs.submit(jobs.role(code))
    out, err = ("".join(f"{n}{end}" for n in range(1, 9001)) + "\n" for end in " -")
    lines = jobs.lines(app_id)
    assert (lines.count(out), lines.count(err), len(lines)) == (20, 20, 40)
    assert jobs.lines(app_id, streams=Stream.STDERR) == [err] * 20


def test_the_log_of_a_container_with_a_terminal_is_read(jobs: Docker) -> None:
    long = "".join(f"{n} " for n in range(1, 9001))
    role = jobs.role("echo out; echo error >&2; echo $(seq 9000) end; seq 2; sleep 1; printf 'no end'")
    set_overlay(role, "local_docker", "container", {"Tty": True})
    app_id = jobs.submit(role)
    expected = ["out\n", "error\n", f"{long}end\n", "1\n", "2\n", "no end"]
    assert [line.rstrip("\n") for line in jobs.lines(app_id)] == [line.rstrip("\n") for line in expected]
    assert jobs.end(app_id).state == AppState.SUCCEEDED
    assert jobs.lines(app_id, streams=Stream.STDOUT)[:5] == expected[:5]
    assert torchx("log", f"local_docker://test/{app_id}").stdout.startswith("worker/0 out\nworker/0 error\n")


def test_a_log_that_the_engine_does_not_keep_is_one_line_with_the_fix(jobs: Docker) -> None:
    role = jobs.role("echo out")
    set_overlay(role, "local_docker", "container", {"HostConfig": {"LogConfig": {"Type": "none"}}})
    app_id = jobs.submit(role)
    assert jobs.end(app_id).state == AppState.SUCCEEDED
    done = torchx("log", f"local_docker://test/{app_id}")
    assert done.returncode == 1
    assert "can't read a log: configured logging driver does not support reading" in done.stderr
    assert "LogConfig" in done.stderr
    assert "{" not in done.stderr
