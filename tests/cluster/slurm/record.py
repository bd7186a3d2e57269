"""Records what the commands of a real Slurm print about jobs in every state.

Run as ``python -m tests.cluster.slurm.record FOLDER``. The files are the test data of ``tests/slurm``. It takes two
minutes: time limits are whole minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.slurm.cluster import SlurmCluster, running_cluster
from tests.cluster.slurm.config import OTHER_USER
from torchx.testing.waiting import until
from torchx_slurm.parse_text import SACCT_FIELDS, squeue_format

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Behind each field: in place of one that nobody can know.
SEPARATOR = "\x1f"
#: The name of a file, and what is written there: in JSON, and as the scheduler asks for it.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "version.txt": ("squeue", "--version"),
    "squeue.json": ("squeue", "--json"),
    "sacct.json": ("sacct", "--json"),
    "squeue.txt": ("squeue", "--all", "--states=all", "--noheader", f"--format={squeue_format(SEPARATOR)}"),
    "sacct.txt": (
        *("sacct", "--noheader", "--parsable", f"--delimiter={SEPARATOR}"),
        f"--format={','.join(SACCT_FIELDS)}",
    ),
    "scontrol.txt": ("scontrol", "--oneliner", "show", "job"),
}
#: Seconds.
LIMIT = 200
HET = "srun --het-group=0,1 sh -c 'exit $SLURM_PROCID'"


def record(cluster: SlurmCluster, folder: Path) -> None:
    """Brings jobs into every state and writes what Slurm prints about them.

    Args:
        cluster: a cluster without jobs.
        folder: where the files are written.
    """
    # Jobs are known to slurmctld for as long as this takes.
    cluster.conf.write_text(cluster.conf.read_text().replace("MinJobAge=10\n", "MinJobAge=1000\n"))
    cluster.command("scontrol", "reconfigure")
    submit = _Submitter(cluster, folder)
    submit("timed-out", "sleep 600", "--time=1")
    submit("ok", "srun true", "--ntasks=2", "--comment=torchx:ok-1 a|b, c=d")
    submit('exit "3", $x', "srun sh -c 'exit 3'")
    submit("exit-255", "exit 255")
    submit("exit-130", "srun sh -c 'exit 130'")
    submit("signal", "kill -9 $$")
    submit("out-of-memory", 'srun python3 -c "len(bytes([1]) * 300_000_000)"', "--mem=50")
    submit("running", "srun sleep 600", "--ntasks=2", "--gpus-per-task=1")
    submit("cancelled", "sleep 600")
    submit("cancelled-before", "sleep 600", "--begin=now+1hour")
    submit("node-failed", "sleep 600", "--no-requeue", "--nodelist=n4")
    submit("requeued", "sleep 600", "--requeue", "--nodelist=n4")
    submit("preempted", "sleep 600", "--partition=cancelled", "--nodelist=n3", "--cpus-per-task=8")
    submit("later", "true", "--begin=now+1hour")
    submit("held", "true", "--hold")
    submit("too-large", "true", "--cpus-per-task=200")
    submit("never", "true", f"--dependency=afterok:{submit.ids['cancelled']}")
    submit("no-time-left", "true", "--deadline=now+2minutes", "--time=10")
    submit("array", "sleep 600", "--array=0-2%1")
    submit("array-failed", "exit $SLURM_ARRAY_TASK_ID", "--array=0-1")
    submit("driven-out", "sleep 600", "--partition=requeued", "--nodelist=n3", "--cpus-per-task=8")
    submit("ünï | a=b JobState=FAILED 7", "sleep 600", "--comment=x ExitCode=9:9 | y")
    forged = "one\n999 JobId=999 JobName=forged UserId=root(0) GroupId=root(0) JobState=FAILED\nJobId=998 "
    submit("lines\n999", "sleep 600", f"--comment={forged}")
    submit("foreign", "sleep 600", user=OTHER_USER)
    submit("het", HET, "--mem=100", ":", "--ntasks=2", "--mem=100")
    submit("het-pending", HET, "--begin=now+1hour", ":", "--ntasks=2")
    submit.await_state("het", "FAILED\nFAILED")
    for name in ("running", "cancelled", "node-failed", "requeued", "preempted", "driven-out", "foreign"):
        submit.await_state(name, "RUNNING")
    cluster.command("scancel", submit.ids["cancelled"], submit.ids["cancelled-before"])
    cluster.kill_node("n4")
    submit("urgent", "sleep 600", "--nodelist=n3", "--exclusive")
    submit.await_state("requeued", "PENDING")
    submit.await_state("driven-out", "PENDING")
    submit.await_state("timed-out", "TIMEOUT")
    submit("suspended", "sleep 600", "--nodelist=n2")
    submit.await_state("suspended", "RUNNING")
    cluster.command("scontrol", "suspend", submit.ids["suspended"])
    submit.await_accounting("timed-out", "TIMEOUT")
    for name, command in COMMANDS.items():
        (folder / name).write_text(cluster.command(*command))


class _Submitter:
    """Submits jobs and knows their ids by name."""

    def __init__(self, cluster: SlurmCluster, folder: Path) -> None:
        self.ids: dict[str, str] = {}
        self._cluster, self._folder = cluster, folder

    def __call__(self, name: str, code: str, *options: str, user: str | None = None) -> None:
        script = self._cluster.home / f"job-{len(self.ids)}"
        script.write_text(f"#!/bin/sh\n{code}\n")
        # On n3 jobs drive each other out, and n4 fails.
        nodes = () if any(option.startswith("--nodelist") for option in options) else ("--exclude=n3,n4",)
        first = ("sbatch", "--parsable", "--output=/dev/null", "--chdir=/", f"--job-name={name}", *nodes)
        self.ids[name] = self._cluster.command(*first, *options, str(script), user=user).strip()

    def await_state(self, name: str, state: str) -> None:
        """Waits until a job is in a state."""
        ask = ("squeue", "--noheader", "--states=all", f"--jobs={self.ids[name]}", "--format=%T")
        until(lambda: self._cluster.command(*ask).strip() == state, LIMIT, f"state {state} of `{name}`")

    def await_accounting(self, name: str, state: str) -> None:
        """Waits until accounting knows a job's state, which comes a little later."""
        ask = ("sacct", "--allocations", "--noheader", f"--jobs={self.ids[name]}", "--format=State%20")
        until(lambda: self._cluster.command(*ask).strip() == state, LIMIT, f"state {state} of `{name}` in accounting")


if __name__ == "__main__":
    with running_cluster() as real:
        record(real, Path(sys.argv[1]))
