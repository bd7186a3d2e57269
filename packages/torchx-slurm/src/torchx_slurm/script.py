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

STEP_OPTIONS = (
    *("SLURM_CLUSTERS", "SLURM_DEPENDENCY", "SLURM_EPILOG", "SLURM_EXCLUSIVE"),
    *("SLURM_IMMEDIATE", "SLURM_KILL_BAD_EXIT", "SLURM_LABELIO", "SLURM_MULTI_PROG"),
    *("SLURM_OVERLAP", "SLURM_PROLOG", "SLURM_REMOTE_CWD", "SLURM_STDERRMODE", "SLURM_STDINMODE", "SLURM_STDOUTMODE"),
    *("SLURM_TASK_EPILOG", "SLURM_TASK_PROLOG", "SLURM_TEST_EXEC", "SLURM_TIMELIMIT"),
    *("SLURM_UNBUFFEREDIO", "SLURM_WAIT", "SLURM_WHOLE", "SLURM_WORKING_DIR"),
)
"""Variables that ``srun`` takes as options (``man srun``, INPUT ENVIRONMENT VARIABLES) and that ``sbatch`` does not
set: here they come from the shell in which the job was submitted."""

HEAD = """\
#!/bin/sh
# Made by TorchX. What users wrote is in the role-*.sh files of the job's folder.
_torchx_umask=$(umask)
umask 077
unset {options}
_torchx_folder={folder}
_torchx_waited=0
until [ -r "$_torchx_folder/{record}" ]; do  # network file systems show new files with a delay
  _torchx_waited=$((_torchx_waited + 1))
  if [ "$_torchx_waited" -gt 15 ]; then
    echo "torchx: $(uname -n) can't read $_torchx_folder: name a folder on the shared file system with job_dir" >&2
    exit 1
  fi
  sleep 1
done
# One dry run is one job, also where an answer of sbatch was lost and a second job came of it.
(set -C && echo "$SLURM_JOB_ID" >"$_torchx_folder/{owner}") 2>/dev/null
_torchx_owner=$(cat "$_torchx_folder/{owner}")
if [ -z "$_torchx_owner" ]; then
  echo "torchx: can't write to $_torchx_folder" >&2
  exit 1
elif [ "$_torchx_owner" != "$SLURM_JOB_ID" ]; then
  echo "torchx: job $_torchx_owner runs this already" >&2
  exit 0
fi
rm -f "$_torchx_folder/{end}" "$_torchx_folder/failed"
_torchx_attempt=${{SLURM_RESTART_COUNT:-0}}
echo "$_torchx_attempt" >"$_torchx_folder/{attempt}"

address() {{  # of the first of some nodes
  _torchx_first=$(scontrol show hostnames "$1" | head -n 1)
  if ! getent hosts "$_torchx_first" >/dev/null 2>&1; then
    _torchx_found=$(scontrol --oneliner show node "$_torchx_first" | sed -n 's/.* NodeAddr=\\([^ ]*\\).*/\\1/p')
    _torchx_first=${{_torchx_found:-$_torchx_first}}
  fi
  echo "$_torchx_first"
}}

finish() {{  # the exit status
  echo "$1" >"$_torchx_folder/{end}.new" && mv -f "$_torchx_folder/{end}.new" "$_torchx_folder/{end}"
  exit "$1"
}}

give_up() {{  # a role has failed for good
  trap '' ALRM
  case $(squeue --noheader --states=all --jobs="$SLURM_JOB_ID" --format=%T 2>/dev/null) in
  *COMPLETING* | *PENDING* | *CANCELLED*) sleep 60 ;;  # it was Slurm that ended the replicas; it ends this script, too
  esac
  read -r _torchx_code _torchx_retries <"$_torchx_folder/failed" || _torchx_code=1 _torchx_retries=0
  if [ "$_torchx_attempt" -lt "$_torchx_retries" ]; then
    echo "torchx: exit status $_torchx_code, the job is queued again" >&2
    scontrol requeue "$SLURM_JOB_ID" && sleep 300  # Slurm ends this script
  fi
  finish "$_torchx_code"
}}

not_begun() {{  # whether srun has started no replica of a role at all, as when slurmctld was away; waits for it then
  grep -qs "^start $_torchx_attempt " "$1"/*/state && return 1
  _torchx_waited=0
  until squeue --noheader --jobs="$SLURM_JOB_ID" >/dev/null 2>&1 || [ "$_torchx_waited" -gt 600 ]; do
    _torchx_waited=$((_torchx_waited + 5))
    sleep 5
  done
  sleep 1
}}

role() {{  # its log folder, how often it starts again here, how often the job is queued again; then the command
  _torchx_logs=$1 _torchx_left=$2 _torchx_requeues=$3 _torchx_code=0 _torchx_launches=2
  shift 3
  while :; do
    (umask "$_torchx_umask" && exec "$@") && exit 0 || _torchx_code=$?
    if [ "$_torchx_launches" -gt 0 ] && not_begun "$_torchx_logs"; then
      _torchx_launches=$((_torchx_launches - 1))
      continue
    fi
    [ "$_torchx_left" -gt 0 ] || break
    _torchx_left=$((_torchx_left - 1))
  done
  (set -C && echo "$_torchx_code $_torchx_requeues" >"$_torchx_folder/failed") 2>/dev/null
  kill -ALRM "$$" 2>/dev/null
  exit "$_torchx_code"
}}

trap give_up ALRM
"""

ROLE = """\
_torchx_host=$(address "${nodes}")
(
  role {logs} {restarts} {requeues} \\
    {srun} sh "$_torchx_folder/role-{index}.sh" "$SLURM_JOB_ID" "$_torchx_host" "$_torchx_attempt"
) &
_torchx_pids="$_torchx_pids $!:{requeues}"
"""

TAIL = """\
for _torchx_pid in $_torchx_pids; do
  wait "${_torchx_pid%:*}" && continue
  _torchx_code=$?  # a role that fails rings the alarm first: this one's shell was killed
  (set -C && echo "$_torchx_code ${_torchx_pid#*:}" >"$_torchx_folder/failed") 2>/dev/null
  give_up
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
        HEAD.format(
            folder=quote(folder),
            record=RECORD_FILE,
            end=END_FILE,
            attempt=ATTEMPT_FILE,
            owner=OWNER_FILE,
            options=" ".join(STEP_OPTIONS),
        ),
        "_torchx_pids=\n",
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
