"""The batch script: it starts the replicas of all roles, ends the job when one has failed, or has it run again."""

from __future__ import annotations

from torchx.schedulers.batch.place import ATTEMPT_FILE, END_FILE
from torchx.schedulers.batch.request import RECORD_FILE
from torchx.schedulers.batch.submission import OWNER_FILE
from torchx.util.light_dataclass import dataclass
from torchx.util.shlex import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = """\
#!/bin/sh
# Made by TorchX. What users wrote is in the role-*.sh files of the job's folder.
umask 077
folder={folder}
waited=0
until [ -r "$folder/{record}" ]; do  # network file systems show new files with a delay
  waited=$((waited + 1))
  if [ "$waited" -gt 15 ]; then
    echo "torchx: $(uname -n) can't read $folder: name a folder on the shared file system with job_dir" >&2
    exit 1
  fi
  sleep 1
done
# One dry run is one job, also where an answer of sbatch was lost and a second job came of it.
(set -C && echo "$SLURM_JOB_ID" >"$folder/{owner}") 2>/dev/null
owner=$(cat "$folder/{owner}")
if [ -z "$owner" ]; then
  echo "torchx: can't write to $folder" >&2
  exit 1
elif [ "$owner" != "$SLURM_JOB_ID" ]; then
  echo "torchx: job $owner runs this already" >&2
  exit 0
fi
rm -f "$folder/{end}" "$folder/failed"
attempt=${{SLURM_RESTART_COUNT:-0}}
echo "$attempt" >"$folder/{attempt}"

address() {{  # of the first of some nodes
  first=$(scontrol show hostnames "$1" | head -n 1)
  if ! getent hosts "$first" >/dev/null 2>&1; then
    found=$(scontrol --oneliner show node "$first" | sed -n 's/.* NodeAddr=\\([^ ]*\\).*/\\1/p')
    first=${{found:-$first}}
  fi
  echo "$first"
}}

finish() {{  # the exit status
  echo "$1" >"$folder/{end}"
  exit "$1"
}}

give_up() {{  # a role has failed for good
  trap '' ALRM
  case $(squeue --noheader --states=all --jobs="$SLURM_JOB_ID" --format=%T 2>/dev/null) in
  *COMPLETING* | *PENDING* | *CANCELLED*) sleep 60 ;;  # it was Slurm that ended the replicas; it ends this script, too
  esac
  read -r code retries <"$folder/failed" || code=1 retries=0
  if [ "$attempt" -lt "$retries" ]; then
    echo "torchx: exit status $code, the job is queued again" >&2
    scontrol requeue "$SLURM_JOB_ID" && sleep 300  # Slurm ends this script
  fi
  finish "$code"
}}

not_begun() {{  # whether srun has started no replica of a role at all, as when slurmctld was away; waits for it then
  grep -qs "^start $attempt " "$1"/*/state && return 1
  waited=0
  until squeue --noheader --jobs="$SLURM_JOB_ID" >/dev/null 2>&1 || [ "$waited" -gt 600 ]; do
    waited=$((waited + 5))
    sleep 5
  done
  sleep 1
}}

role() {{  # its log folder, how often it starts again here, how often the job is queued again; then the command
  logs=$1 left=$2 requeues=$3 code=0 launches=2
  shift 3
  while :; do
    "$@" && exit 0 || code=$?
    if [ "$launches" -gt 0 ] && not_begun "$logs"; then
      launches=$((launches - 1))
      continue
    fi
    [ "$left" -gt 0 ] || break
    left=$((left - 1))
  done
  (set -C && echo "$code $requeues" >"$folder/failed") 2>/dev/null
  kill -ALRM "$$" 2>/dev/null
  exit "$code"
}}

trap give_up ALRM
"""

ROLE = """\
host=$(address "${nodes}")
(role {logs} {restarts} {requeues} {srun} sh "$folder/role-{index}.sh" "$SLURM_JOB_ID" "$host" "$attempt") &
pids="$pids $!"
"""

TAIL = """\
for pid in $pids; do
  wait "$pid"
done
finish 0
"""


@dataclass
class RoleStep:
    """How the replicas of a role are started.

    Attributes:
        srun: the options of ``srun``.
        logs: the folder of the role's logs.
        restarts: how often the role is started again in its place.
        requeues: how often its failure puts the job back into the queue.
    """

    srun: list[str]
    logs: str
    restarts: int = 0
    requeues: int = 0


def batch_script(steps: Sequence[RoleStep], *, folder: str) -> str:
    """The script of a job.

    Args:
        steps: one for each role, in the order of the job's components.
        folder: the job's folder.
    """
    parts = [
        HEAD.format(folder=quote(folder), record=RECORD_FILE, end=END_FILE, attempt=ATTEMPT_FILE, owner=OWNER_FILE),
        "pids=\n",
    ]
    several = len(steps) > 1
    for index, step in enumerate(steps):
        group = [f"--het-group={index}"] if several else []
        parts.append(
            ROLE.format(
                nodes=f"SLURM_JOB_NODELIST_HET_GROUP_{index}" if several else "SLURM_JOB_NODELIST",
                index=index,
                logs=quote(step.logs),
                restarts=step.restarts,
                requeues=step.requeues,
                srun=" ".join(quote(word) for word in ("srun", *group, *step.srun)),
            )
        )
    return "".join([*parts, TAIL])
