#!/bin/sh
# Made by TorchX. The job's own part stands at the end: words only, which these functions get as arguments.
# A role that fails ends the job, whichever role it is. POSIX shells can't wait for the first of several programs: each
# role has a shell of its own, which rings (SIGALRM) when it gives up, and that interrupts the wait for the others. When
# this script exits, Slurm ends what is left of the job.
# What users wrote is in the role-*.sh files of the job's folder. Variables of ours begin with _torchx_, for the programs
# inherit all others.

torchx_begin() {  # the job's folder
  _torchx_folder=$1 _torchx_umask=$(umask) _torchx_pids=''
  umask 077
  # What srun takes as options (man srun, INPUT ENVIRONMENT VARIABLES) and sbatch does not set comes from the shell in
  # which the job was submitted.
  unset SLURM_CLUSTERS SLURM_DEPENDENCY SLURM_EPILOG SLURM_EXCLUSIVE SLURM_IMMEDIATE SLURM_KILL_BAD_EXIT \
    SLURM_LABELIO SLURM_MULTI_PROG SLURM_OVERLAP SLURM_PROLOG SLURM_REMOTE_CWD SLURM_STDERRMODE SLURM_STDINMODE \
    SLURM_STDOUTMODE SLURM_TASK_EPILOG SLURM_TASK_PROLOG SLURM_TEST_EXEC SLURM_TIMELIMIT SLURM_UNBUFFEREDIO \
    SLURM_WAIT SLURM_WHOLE SLURM_WORKING_DIR
  torchx_await_folder
  torchx_own_folder
  rm -f "$_torchx_folder/end" "$_torchx_folder/failed" "$_torchx_folder/cancelled"
  _torchx_attempt=${SLURM_RESTART_COUNT:-0}
  [ "$_torchx_attempt" -eq 0 ] || echo "torchx: started again" >&2
  echo "$_torchx_attempt" >"$_torchx_folder/attempt"
  trap torchx_give_up ALRM
}

torchx_await_folder() {  # network file systems show new files with a delay
  _torchx_waited=0
  until [ -r "$_torchx_folder/job.json" ]; do
    _torchx_waited=$((_torchx_waited + 1))
    if [ "$_torchx_waited" -gt 15 ]; then
      echo "torchx: $(uname -n) can't read $_torchx_folder: name a folder on the shared file system with job_dir" >&2
      exit 1
    fi
    sleep 1
  done
}

torchx_own_folder() {  # one dry run is one job, also where an answer of sbatch was lost and a second job came of it
  (set -C && echo "$SLURM_JOB_ID" >"$_torchx_folder/owner") 2>/dev/null
  _torchx_owner=$(cat "$_torchx_folder/owner")
  if [ -z "$_torchx_owner" ]; then
    echo "torchx: can't write to $_torchx_folder" >&2
    exit 1
  elif [ "$_torchx_owner" != "$SLURM_JOB_ID" ]; then
    echo "torchx: job $_torchx_owner runs this already" >&2
    exit 0
  fi
}

torchx_role() {  # index, nodes, log folder, how often it starts again here, how often the job is queued again; then srun
  _torchx_index=$1 _torchx_host=$(torchx_address "$2") _torchx_logs=$3 _torchx_left=$4 _torchx_requeues=$5
  shift 5
  torchx_launch "$@" sh "$_torchx_folder/role-$_torchx_index.sh" "$SLURM_JOB_ID" "$_torchx_host" "$_torchx_attempt" &
  _torchx_pids="$_torchx_pids $!:$_torchx_requeues"
}

torchx_end() {  # waits for all roles
  for _torchx_pid in $_torchx_pids; do
    wait "${_torchx_pid%:*}" && continue
    # A role that fails rings the alarm first: this one's shell was killed.
    torchx_note_failure "$?" "${_torchx_pid#*:}"
    torchx_give_up
  done
  torchx_finish 0
}

torchx_address() {  # of the first of some nodes
  _torchx_first=$(scontrol show hostnames "$1" | head -n 1)
  if ! getent hosts "$_torchx_first" >/dev/null 2>&1; then
    _torchx_found=$(scontrol --oneliner show node "$_torchx_first" | sed -n 's/.* NodeAddr=\([^ ]*\).*/\1/p')
    _torchx_first=${_torchx_found:-$_torchx_first}
  fi
  echo "$_torchx_first"
}

torchx_launch() {  # the command, in a shell of the role's own
  _torchx_code=0 _torchx_launches=2
  while :; do
    (umask "$_torchx_umask" && exec "$@") && torchx_is_whole && exit 0 || _torchx_code=$?
    if [ "$_torchx_launches" -gt 0 ] && torchx_not_begun; then
      _torchx_launches=$((_torchx_launches - 1))
      continue
    fi
    [ "$_torchx_left" -gt 0 ] || break
    _torchx_left=$((_torchx_left - 1))
    echo "torchx: started again" >&2
  done
  torchx_note_failure "$_torchx_code" "$_torchx_requeues"
  kill -ALRM "$$" 2>/dev/null
  exit "$_torchx_code"
}

torchx_is_whole() {  # whether no component is being ended: programs may end well when they are asked to
  [ -n "${SLURM_HET_SIZE-}" ] || return 0
  case $(torchx_states) in
  *COMPLETING* | *CANCELLED*) return 143 ;;
  esac
}

torchx_not_begun() {  # whether srun has started no replica at all, as when slurmctld was away; waits for it then
  [ "$_torchx_code" -le 128 ] || return 1  # somebody has ended it
  grep -qs "^start $_torchx_attempt " "$_torchx_logs"/*/state && return 1
  _torchx_waited=0
  until squeue --noheader --jobs="$SLURM_JOB_ID" >/dev/null 2>&1 || [ "$_torchx_waited" -gt 600 ]; do
    _torchx_waited=$((_torchx_waited + 5))
    sleep 5
  done
  sleep 1
}

torchx_note_failure() {  # exit status, how often the job is queued again; the first failure counts
  (set -C && echo "$1 $2" >"$_torchx_folder/failed") 2>/dev/null
}

torchx_give_up() {  # a role has failed for good
  trap '' ALRM
  torchx_yield_to_slurm
  read -r _torchx_code _torchx_retries <"$_torchx_folder/failed" || _torchx_code=1 _torchx_retries=0
  if [ "$_torchx_attempt" -lt "$_torchx_retries" ]; then
    echo "torchx: exit status $_torchx_code, the job is queued again" >&2
    scontrol requeue "$SLURM_JOB_ID" && exit "$_torchx_code"
  fi
  torchx_finish "$_torchx_code"
}

torchx_yield_to_slurm() {  # leaves the job's end to Slurm, if it was Slurm that ended the replicas
  _torchx_waited=0
  while [ "$_torchx_waited" -lt 60 ]; do
    case $(torchx_states | sed -n 1p) in
    COMPLETING | PENDING | CANCELLED) exit 1 ;;
    esac
    case $(torchx_states) in
    *COMPLETING*) sleep 1 ;;  # a component is being ended: it will be seen for what
    *CANCELLED*)
      echo "torchx: a component of the job was cancelled, so the job is" >&2
      scancel "$SLURM_JOB_ID"
      exit 1
      ;;
    *) return ;;
    esac
    _torchx_waited=$((_torchx_waited + 1))
  done
}

torchx_states() {  # of the job's components, its own first
  squeue --noheader --states=all --sort=i --jobs="$SLURM_JOB_ID" --format=%T 2>/dev/null
}

torchx_finish() {  # the exit status
  echo "$1" >"$_torchx_folder/end.new" && mv -f "$_torchx_folder/end.new" "$_torchx_folder/end"
  exit "$1"
}

