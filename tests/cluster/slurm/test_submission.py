"""What Slurm itself makes of a job: resources, options, several roles, scripts that carry any text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.slurm.config import NODES, OTHER_USER
from tests.cluster.slurm.jobs import native
from torchx.errors import TorchXError
from torchx.schedulers.api import build_workspaces
from torchx.specs.api import AppState, Resource, Workspace
from torchx.testing.hostile import HOSTILE_NAMES
from torchx.testing.waiting import until
from torchx_slurm.scheduler import create_scheduler

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.slurm.cluster import SlurmCluster
    from tests.cluster.slurm.jobs import SlurmJobs


def test_resources_reach_slurm(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("sleep 600", num_replicas=3)
    role.resource = Resource(cpu=2, gpu=1, memMB=300)
    found = native(slurm, slurm_jobs.submit(role))
    assert (found["NumTasks"], found["NumCPUs"], found["CPUs/Task"]) == ("3", "6", "2")
    tres = dict(part.split("=") for part in found["TRES"].split(","))
    assert (tres["cpu"], tres["mem"], tres["gres/gpu"]) == ("6", "900M", "3")


def test_each_task_sees_its_own_gpu(slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("echo $CUDA_VISIBLE_DEVICES", num_replicas=2)
    role.resource = Resource(cpu=1, gpu=1, memMB=64)
    app_id = slurm_jobs.submit(role)
    assert sorted(slurm_jobs.lines(app_id)[0] + slurm_jobs.lines(app_id, k=1)[0]) == ["\n", "\n", "0", "1"]


def test_the_site_s_gpus_can_be_asked_for_as_gres(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("echo $CUDA_VISIBLE_DEVICES", num_replicas=2)
    role.resource = Resource(cpu=1, gpu=2, memMB=64)
    app_id = slurm_jobs.submit_with(role, gpus_by="gres")
    assert [slurm_jobs.lines(app_id, k=k) for k in range(2)] == [["0,1\n"], ["0,1\n"]]


def test_replicas_that_need_a_whole_node_are_spread(slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("hostname", num_replicas=4)
    role.resource = Resource(cpu=16, gpu=0, memMB=64)
    app_id = slurm_jobs.submit(role)
    hosts = {slurm_jobs.lines(app_id, k=k)[0].strip() for k in range(4)}
    assert hosts == set(NODES)


def test_options_reach_slurm(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    options: dict[str, Any] = {
        "account": "physics",
        "partition": "requeued",
        "time": "1-02:03:04",
        "comment": "it's, a=b $HOME",
        "constraint": "fast",
        "qos": "high",
    }
    app_id = slurm_jobs.submit_with(slurm_jobs.role("sleep 600"), **options)
    found = native(slurm, app_id)
    assert (found["Account"], found["Partition"], found["QOS"]) == ("physics", "requeued", "high")
    assert (found["TimeLimit"], found["Features"]) == ("1-02:04:00", "fast")  # Slurm counts whole minutes
    slurm_jobs.reach(app_id, AppState.RUNNING)
    assert native(slurm, app_id)["NodeList"] in ("n3", "n4")
    comment = slurm.command("squeue", "--noheader", f"--jobs={app_id}", "--format=%k")
    assert comment.strip().endswith("it's, a=b $HOME")


def test_mail_options_are_taken(slurm_jobs: SlurmJobs) -> None:
    options: dict[str, Any] = {"mail-user": OTHER_USER, "mail-type": "NONE"}
    app_id = slurm_jobs.submit_with(slurm_jobs.role("true"), **options)
    assert slurm_jobs.end(app_id).state == AppState.SUCCEEDED


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("partition", "nope", "partition"),
        ("account", "chemistry", "account"),
        ("qos", "nope", "qos"),
        ("constraint", "nope", "feature"),
    ],
)
def test_what_slurm_refuses_is_an_error_in_one_line(slurm_jobs: SlurmJobs, option: str, value: str, words: str) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(TorchXError) as caught:
        slurm_jobs.submit_with(slurm_jobs.role("true"), **options)
    assert words in caught.value.message.lower()
    assert "\n" not in caught.value.message
    assert slurm_jobs.new() == {}


@pytest.mark.parametrize("text", ["a\n#SBATCH --nice=7", "a\ntouch pwned", "$(touch pwned)", "`touch pwned`", "'\"\\"])
@pytest.mark.parametrize("option", ["comment"])
def test_an_option_is_one_word_whatever_is_in_it(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, option: str, text: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options: dict[str, Any] = {option: text}
    try:
        app_id = slurm_jobs.submit_with(slurm_jobs.role("true"), **options)
    except TorchXError as refused:
        assert option in refused.message
    else:
        assert native(slurm, app_id)["Nice"] == "0"
        assert slurm_jobs.end(app_id).state == AppState.SUCCEEDED
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: repr(name[:20]))
def test_a_job_s_name_in_slurm_is_one_line(slurm: SlurmCluster, slurm_jobs: SlurmJobs, name: str) -> None:
    try:
        app_id = slurm_jobs.schedule(slurm_jobs.dryrun(slurm_jobs.app(slurm_jobs.role("sleep 600"), name=name)))
    except TorchXError as refused:
        assert refused.message
        return
    assert len(slurm.command("squeue", "--noheader", f"--jobs={app_id}", "--format=%j").splitlines()) == 1


def test_several_roles_are_one_heterogeneous_job(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    reader = slurm_jobs.role("hostname; sleep 600", name="reader", num_replicas=2)
    trainer = slurm_jobs.role("hostname; sleep 600", name="trainer")
    trainer.resource = Resource(cpu=4, gpu=1, memMB=200)
    app_id = slurm_jobs.submit(reader, trainer)
    slurm_jobs.reach(app_id, AppState.RUNNING)
    first, second = native(slurm, app_id), native(slurm, app_id, 1)
    assert (first["HetJobId"], second["HetJobId"]) == (app_id, app_id)
    assert (first["NumTasks"], second["NumTasks"]) == ("2", "1")
    assert (first["NumCPUs"], second["NumCPUs"]) == ("2", "4")
    assert "gres/gpu=1" in second["TRES"]
    described = slurm_jobs.describe(app_id)
    assert [(role.role, len(role.replicas)) for role in described.roles_statuses] == [("reader", 2), ("trainer", 1)]
    assert [*slurm_jobs.new()] == [app_id]
    slurm_jobs.scheduler.cancel(app_id)
    assert slurm_jobs.end(app_id).state == AppState.CANCELLED
    until(lambda: not slurm.command("squeue", "--noheader"), 30, "the end of both components")


def test_replicas_know_the_host_of_the_first(slurm_jobs: SlurmJobs) -> None:
    role = slurm_jobs.role("getent hosts $TORCHX_RANK0_HOST; hostname", num_replicas=2)
    role.resource = Resource(cpu=16, gpu=0, memMB=64)
    app_id = slurm_jobs.submit(role)
    (first, host), (second, other) = slurm_jobs.lines(app_id), slurm_jobs.lines(app_id, k=1)
    assert first == second
    assert host in first.replace(" ", "\n") + "\n"
    assert other != host


def test_any_option_of_sbatch_is_an_overlay(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.submit_with(slurm_jobs.role("sleep 600"), sbatch={"nice": 17, "exclude": "n1"})
    found = native(slurm, app_id)
    assert (found["Nice"], found["ExcNodeList"]) == ("17", "n1")


def test_overlay_of_memory_takes_the_place_of_ours(slurm: SlurmCluster, slurm_jobs: SlurmJobs) -> None:
    app_id = slurm_jobs.submit_with(slurm_jobs.role("echo ran", num_replicas=2), sbatch={"mem": "500M"})
    assert native(slurm, app_id)["MinMemoryNode"] == "500M"
    assert slurm_jobs.end(app_id).state == AppState.SUCCEEDED


@pytest.mark.parametrize("name", ["o", "output"])
def test_overlay_names_another_file_for_what_slurm_has_to_say(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, name: str, tmp_path: Path
) -> None:
    app_id = slurm_jobs.submit_with(slurm_jobs.role("true"), sbatch={name: f"{tmp_path}/mine-%j"})
    assert native(slurm, app_id)["StdOut"] == f"{tmp_path}/mine-{app_id}"
    assert slurm_jobs.end(app_id).state == AppState.SUCCEEDED


def test_job_is_deleted_with_its_folder_from_another_home(
    slurm_jobs: SlurmJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app_id = slurm_jobs.submit_with(slurm_jobs.role("echo ran"), job_dir=str(tmp_path / "jobs"))
    assert slurm_jobs.lines(app_id) == ["ran\n"]
    assert len([*(tmp_path / "jobs" / ".torchx-jobs").iterdir()]) == 1
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "another home"))
    elsewhere = create_scheduler("test")
    elsewhere.delete(app_id)
    assert [*(tmp_path / "jobs" / ".torchx-jobs").iterdir()] == []
    assert elsewhere.describe(app_id) is None


RUNTIME = """#!/bin/sh
shift
while :; do
  case $1 in
  --bind) echo "bind $2"; shift 2 ;;
  --pwd) cd / && cd "$2" && shift 2 ;;
  *) break ;;
  esac
done
echo "image $1"; shift; exec "$@"
"""


def test_image_of_a_container_finds_the_workspace_where_it_works(
    slurm_jobs: SlurmJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apptainer is a program here that tells what it is to mount and then runs the command."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apptainer").write_text(RUNTIME)
    (tmp_path / "bin" / "apptainer").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "hello.sh").write_text("echo hello\n")
    role = slurm_jobs.role("sh hello.sh; pwd")
    role.image, role.workspace = "ubuntu:24.04", Workspace({str(tmp_path / "project"): ""})
    app, options = slurm_jobs.app(role), {"container": "apptainer", "job_dir": str(tmp_path / "jobs")}
    build_workspaces(slurm_jobs.scheduler, app, options, None)
    lines = slurm_jobs.lines(slurm_jobs.schedule(slurm_jobs.scheduler.submit_dryrun(app, options)))
    copy = lines[-1].strip()
    assert lines == [f"bind {copy}:{copy}\n", "image docker://ubuntu:24.04\n", "hello\n", f"{copy}\n"]
    assert copy.startswith(f"{tmp_path}/jobs/")


def test_the_environment_of_the_submission_does_not_reach_the_site_s_options(
    slurm: SlurmCluster, slurm_jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's defaults for `sbatch` hold, as in their own scripts, but never beat what a job says."""
    monkeypatch.setenv("SBATCH_PARTITION", "cancelled")
    monkeypatch.setenv("SLURM_JOB_ID", "1")  # as in a shell inside of another job
    monkeypatch.setenv("SLURM_NTASKS", "7")
    app_id = slurm_jobs.submit_with(slurm_jobs.role("echo $SLURM_JOB_ID"), partition="batch")
    assert native(slurm, app_id)["Partition"] == "batch"
    assert slurm_jobs.end(app_id).state == AppState.SUCCEEDED
    assert slurm_jobs.lines(app_id) == [f"{app_id}\n"]


def test_the_user_s_habits_change_no_answer(slurm_jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that filter what is typed by hand."""
    app_id = slurm_jobs.submit(slurm_jobs.role("sleep 600"))
    slurm_jobs.reach(app_id, AppState.RUNNING)
    for name, value in {
        "SQUEUE_ACCOUNT": "chemistry",
        "SQUEUE_STATES": "PENDING",
        "SQUEUE_PARTITION": "cancelled",
        "SQUEUE_FORMAT": "%j",
        "SLURM_CLUSTERS": "elsewhere",
        "SLURM_TIME_FORMAT": "relative",
        "SCANCEL_ACCOUNT": "chemistry",
        "SACCT_FORMAT": "jobname",
    }.items():
        monkeypatch.setenv(name, value)
    assert slurm_jobs.describe(app_id).state == AppState.RUNNING
    assert slurm_jobs.new() == {app_id: "RUNNING"}
    slurm_jobs.scheduler.cancel(app_id)
    assert slurm_jobs.end(app_id).state == AppState.CANCELLED


def test_job_is_submitted_from_inside_an_allocation(slurm_jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    inherited = {
        "SLURM_JOB_ID": "1",
        "SLURM_JOBID": "1",
        "SLURM_JOB_NODELIST": "n4",
        "SLURM_MEM_PER_NODE": "100",
        "SLURM_CPUS_PER_TASK": "3",
        "SLURM_TRES_PER_TASK": "cpu:3",
        "SLURM_NTASKS_PER_NODE": "7",
        "SLURM_OVERLAP": "1",
        "SRUN_CPUS_PER_TASK": "3",
        "SBATCH_ARRAY_INX": "0-3",
        "SBATCH_MEM_PER_NODE": "100",
    }
    for name, value in inherited.items():
        monkeypatch.setenv(name, value)
    app_id = slurm_jobs.submit(slurm_jobs.role("echo $SLURM_JOB_ID $SLURM_CPUS_PER_TASK", num_replicas=2))
    assert slurm_jobs.end(app_id).state == AppState.SUCCEEDED
    assert [slurm_jobs.lines(app_id, k=k) for k in range(2)] == [[f"{app_id} 1\n"]] * 2
    assert [*slurm_jobs.new()] == [app_id]


def test_missing_sbatch_is_told_in_one_line(slurm_jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(TorchXError, match="sbatch") as caught:
        slurm_jobs.run("true")
    assert caught.value.hint
    monkeypatch.setenv("PATH", os.defpath)


def test_dry_run_that_is_submitted_by_two_processes_at_once_is_one_job(slurm_jobs: SlurmJobs) -> None:
    info = slurm_jobs.dryrun(slurm_jobs.app(slurm_jobs.role("sleep 600")))
    pids = []
    for _ in range(4):
        if not (pid := os.fork()):
            try:
                slurm_jobs.scheduler.schedule(info)
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    app_id = slurm_jobs.schedule(info)
    assert [*slurm_jobs.new()] == [app_id]


NAMES = (
    "LC_SECRETS",
    "LC_ALL",
    "LANG",
    "OPTIMIZER",
    "a.b",
    "a-b",
    "BASH_FUNC_x%%",
    "\u00fcn\u00ef",
    "1A",
    "IFS",
    "SLURM_X",
)


def test_variables_of_any_name_arrive(slurm_jobs: SlurmJobs) -> None:
    """Also those that no shell can set, and those that a shell takes to heart."""
    show = "import os, sys; print(*(os.environ.get(name) for name in sys.argv[1:]), sep='\\n')"
    role = slurm_jobs.role("true", env={name: f"() {{ it's {n}; }}" for n, name in enumerate(NAMES)})
    role.entrypoint, role.args = "python3", ["-c", show, *NAMES]
    app_id = slurm_jobs.submit(role)
    assert slurm_jobs.end(app_id).state == AppState.SUCCEEDED
    assert slurm_jobs.lines(app_id) == [f"() {{ it's {n}; }}\n" for n in range(len(NAMES))]
