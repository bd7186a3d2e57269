"""Runs Slurm's commands: the only file that does."""

from __future__ import annotations

import re

from torchx.errors import TorchXError, TransientError
from torchx.schedulers.api import DAYS_IN_2_WEEKS
from torchx.schedulers.batch.commands import CommandTimeoutError, HiddenEnv, missing
from torchx.schedulers.batch.job import BatchJob, BatchSystem
from torchx.specs.api import AppState, is_terminal
from torchx_slurm import parse_json, parse_text
from torchx_slurm.errors import ENDED_JOB, NO_ACCOUNTING, UNKNOWN_JOB, SlurmError, SlurmUnreachableError, error_of
from torchx_slurm.merge import grouped, merged
from torchx_slurm.nodes import cluster_name, is_several
from torchx_slurm.request import KEY_PREFIX, SlurmBatchRequest
from torchx_slurm.status import SlurmRow, cause_of_requeue, to_job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torchx.schedulers.batch.commands import CommandResult, Commands
    from torchx.schedulers.batch.request import BatchRequest

SUBMIT_LIMIT = 120.0
ASK_LIMIT = 60.0
"""Seconds that a command may take. Slurm's own commands give up earlier, by the site's MessageTimeout."""

JSON_SINCE = (23, 2)
"""From this version on ``--json`` obeys the filters of ``squeue``, and exit codes of ``sacct`` are right in it; before,
fixed formats are used (https://slurm.schedmd.com/news.html; observed with 22.05)."""

JSON_AT_MOST = 200
"""Of more jobs than that, the fixed formats are asked for: JSON takes 5 to 50 KB a job."""

AT_ONCE = 10_000
"""Of so many jobs a command is asked at once: Linux takes 128 KiB for an argument, and an id has up to 10 digits."""

HIDDEN = HiddenEnv(
    (
        *("SLURM_*", "SQUEUE_*", "SACCT_*", "SCANCEL_*", "SCONTROL_*", "SINFO_*", "SRUN_*"),
        *("SBATCH_ARRAY_INX", "SBATCH_CLUSTERS", "SBATCH_CPUS_*", "SBATCH_GPUS*", "SBATCH_MEM_*", "SBATCH_WAIT"),
    ),
    but=("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT", "SLURM_SACK_*"),
)
"""Variables that Slurm's commands take as options: a user's habits for commands typed by hand would make them leave
out jobs here, and those of an allocation in which torchx runs are another job's. Other ``SBATCH_*`` are defaults that
hold for this job, too."""

_APP_ID = re.compile(r"[0-9]{1,10}")


class SlurmClient(BatchSystem):
    """Slurm, asked by its commands.

    Args:
        commands: run them here or on a login node.
    """

    def __init__(self, commands: Commands) -> None:
        super().__init__(commands)
        self._version: tuple[int, ...] | None = None

    def submit(self, request: BatchRequest, folder: str) -> str:
        """One try of ``sbatch``.

        Raises:
            TransientError: it is not known whether there is a job now.
            SlurmError: Slurm refuses the job.
        """
        assert isinstance(request, SlurmBatchRequest)
        result = self._run(request.argv(folder), limit=SUBMIT_LIMIT)
        app_id = result.text.strip().partition(";")[0]
        if not app_id.isdigit():
            raise SlurmUnreachableError(f"sbatch gave no job id but {result.text.strip()[:200]!r}")
        return app_id

    def find(self, key: str) -> list[str]:
        """The jobs with a key, by their comment or the path of their script; of ended ones, what accounting has."""
        found = {row.app_id for row in self._own_live() if _has_key(row, key)}
        return sorted(found or self._find_ended(key), key=int)

    def query(self, app_ids: Sequence[str]) -> dict[str, BatchJob]:
        """One ``squeue``, and one ``sacct`` for what is not running any more; of each `AT_ONCE` jobs."""
        wanted = [app_id for app_id in app_ids if _APP_ID.fullmatch(app_id)]
        jobs: dict[str, BatchJob] = {}
        for begin in range(0, len(wanted), AT_ONCE):
            jobs.update(self._query(wanted[begin : begin + AT_ONCE]))
        return jobs

    def _query(self, wanted: list[str]) -> dict[str, BatchJob]:
        rows, problem = self._live(wanted)
        found = grouped(rows, wanted)
        unsettled = [i for i in wanted if i not in found or any(is_terminal(row.state) for row in found[i])]
        past, past_problem = self._past(unsettled, settled=len(unsettled) - sum(i in found for i in unsettled) == 0)
        for app_id, ended in grouped(past, unsettled).items():
            found[app_id] = merged(found.get(app_id, []), ended, live_known=not problem)
        failed = self._failed_nodes(row for told in found.values() for row in told)
        jobs = {app_id: to_job(told, failed) for app_id, told in found.items()}
        for app_id in wanted:
            reason = problem or (past_problem if app_id not in jobs else "")
            if reason and (app_id not in jobs or not is_terminal(jobs[app_id].state)):
                jobs[app_id] = BatchJob(app_id, AppState.UNKNOWN, msg=reason)
        return jobs

    def jobs(self) -> Iterable[BatchJob]:
        """The user's jobs: those that Slurm knows now, and those of two weeks that accounting knows."""
        self.version()  # where Slurm is not installed, that is the error
        # Accounting first: a job that is submitted meanwhile must not look as if slurmctld had lost it.
        fields = ",".join(parse_text.SACCT_FIELDS)
        options = f"--allocations --starttime=now-{DAYS_IN_2_WEEKS}days {_SACCT_SHAPE} --format={fields}".split(" ")
        try:
            past = parse_text.parse_sacct(self._sacct(options, own=True).text)
        except (SlurmError, TransientError) as error:  # no accounting, or not now
            _warn(error)
            past = []
        known = grouped(self._own_live())
        for app_id, ended in grouped(past).items():
            known[app_id] = merged(known.get(app_id, []), ended, live_known=True)
        return [to_job(known[app_id]) for app_id in sorted(known, key=int, reverse=True)]

    def cancel(self, app_id: str) -> None:
        """Ends a job with all its components or tasks."""
        if not _APP_ID.fullmatch(app_id):  # there is no such job
            return
        result = self._try(["scancel", app_id])
        if result.returncode and not (UNKNOWN_JOB.search(result.stderr) or ENDED_JOB.search(result.stderr)):
            raise error_of("scancel", result)

    def version(self) -> tuple[int, ...]:
        """The version of the commands, such as ``(22, 5, 8)``; empty where they do not tell it."""
        if self._version is None:
            text = self._run(["squeue", "--version"]).text
            found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
            self._version = tuple(int(n) for n in found.groups(default="0")) if found else ()
        return self._version

    def cluster(self) -> str:
        """The ``ClusterName`` of the configuration that Slurm's commands on this machine read; empty: not known."""
        return "" if self.commands.host else cluster_name()

    def why_again(self, app_id: str) -> str:
        """What accounting says of the run before the one that the job waits for."""
        options = ["--allocations", "--duplicates", f"--jobs={app_id}", *_SACCT_SHAPE.split(" ")]
        try:
            fields = ",".join(parse_text.SACCT_FIELDS)
            lines = self._sacct([*options, f"--format={fields}"]).text.split("\n")
        except (SlurmError, TransientError):
            return ""
        states = [row.states[0] for line in lines for row in parse_text.parse_sacct(line)]
        ended = [state for state in states if state not in ("PENDING", "RUNNING")]
        return cause_of_requeue(ended[-1]) if ended else ""

    # -- asking ----------------------------------------------------------------------------------------------------

    def _live(self, app_ids: Sequence[str]) -> tuple[list[SlurmRow], str]:
        """What slurmctld knows, and why it can't be asked."""
        try:
            if self._takes_json(app_ids):
                rows = self._live_json(app_ids)
                if rows is not None:
                    return rows, ""
            result = self._try(_squeue(f"--jobs={','.join(app_ids)}"))
        except TransientError as error:
            return [], error.message
        if result.returncode:
            return [], "" if UNKNOWN_JOB.search(result.stderr) else error_of("squeue", result).message
        return parse_text.parse_squeue(result.text), ""

    def _own_live(self) -> list[SlurmRow]:
        """What slurmctld knows of the user's jobs."""
        result = self._try(_own(*_squeue()))
        if result.returncode:
            raise error_of("squeue", result)
        return parse_text.parse_squeue(result.text)

    def _takes_json(self, app_ids: Sequence[str]) -> bool:
        return len(app_ids) <= JSON_AT_MOST and self.version() >= JSON_SINCE

    def _live_json(self, app_ids: Sequence[str]) -> list[SlurmRow] | None:
        result = self._try(["squeue", "--all", "--states=all", "--json", f"--jobs={','.join(app_ids)}"])
        try:
            return None if result.returncode else parse_json.parse_squeue(result.stdout)
        except ValueError:  # a build without the JSON plugin prints something else
            return None

    def _past(self, app_ids: Sequence[str], *, settled: bool) -> tuple[list[SlurmRow], str]:
        """What accounting knows, and why it can't be asked.

        Args:
            app_ids: the jobs.
            settled: their states are known already, what is missing is details.
        """
        if not app_ids:
            return [], ""
        jobs = f"--jobs={','.join(app_ids)}"
        try:
            if self._takes_json(app_ids):
                try:
                    return parse_json.parse_sacct(self._sacct([jobs, "--json"]).stdout), ""
                except ValueError:
                    pass
            fields = ",".join(parse_text.SACCT_FIELDS)
            return parse_text.parse_sacct(self._sacct([jobs, *_SACCT_SHAPE.split(" "), f"--format={fields}"]).text), ""
        except SlurmError:  # no accounting
            return self._kept(app_ids), ""
        except TransientError as error:
            return (self._kept(app_ids), "") if settled else ([], error.message)

    def _kept(self, app_ids: Sequence[str]) -> list[SlurmRow]:
        """What slurmctld still knows of ended jobs, with exit codes."""
        which = app_ids if len(app_ids) == 1 else []
        try:
            result = self._try(["scontrol", "--oneliner", "show", "job", *which])
        except TransientError:
            return []
        return [] if result.returncode else parse_text.parse_scontrol(result.text)

    def _failed_nodes(self, rows: Iterable[SlurmRow]) -> set[str]:
        """Those nodes of jobs that a node's failure has ended that are down; a job tells only all of its nodes."""
        nodes = {row.nodes for row in rows if row.states[:1] == ("NODE_FAIL",) and is_several(row.nodes)}
        if not nodes:
            return set()
        try:
            options = ["--noheader", "--Node", "--states=down", "--format=%N", f"--nodes={','.join(sorted(nodes))}"]
            result = self._try(["sinfo", *options])
        except TransientError:
            return set()
        return set() if result.returncode else {*result.text.split()}

    def _find_ended(self, key: str) -> set[str]:
        options = "--allocations --noheader --parsable2 --starttime=now-2days --format=JobID,SubmitLine"
        try:
            result = self._sacct(options.split(" "), own=True)
        except (SlurmError, TransientError):  # no accounting, or older than the field: squeue has the last word
            return set()
        lines = (line.partition("|") for line in result.text.split("\n"))
        ids = (re.match(r"\d+", job) for job, _, line in lines if f"{KEY_PREFIX}{key}" in re.split(r"[ =]", line))
        return {found[0] for found in ids if found}

    def _sacct(self, options: Sequence[str], *, own: bool = False) -> CommandResult:
        result = self._try(_own("sacct", *options) if own else ["sacct", *options])
        if result.returncode == 127 and own:
            raise missing("sacct", self.commands.host)
        if result.returncode or NO_ACCOUNTING.search(result.stderr):
            raise error_of("sacct", result)
        return result

    def _run(self, argv: Sequence[str], *, limit: float = ASK_LIMIT) -> CommandResult:
        result = self._try(argv, limit=limit)
        if result.returncode:
            raise error_of(argv[0], result)
        return result

    def _try(self, argv: Sequence[str], *, limit: float = ASK_LIMIT) -> CommandResult:
        try:
            return self.commands.run(argv, timeout=limit, hidden=HIDDEN)
        except CommandTimeoutError as error:
            raise SlurmUnreachableError(error.message) from error


_SACCT_SHAPE = f"--noheader --parsable2 --delimiter={parse_text.SEPARATOR}"


def _warn(error: TorchXError) -> None:
    import logging

    from torchx.util.masking import mask_text

    logging.getLogger(__name__).warning("only jobs that slurmctld knows are listed: %s", mask_text(error.message))


def _squeue(*filters: str) -> list[str]:
    return ["squeue", "--all", "--states=all", "--noheader", f"--format={parse_text.SQUEUE_FORMAT}", *filters]


def _own(program: str, *options: str) -> list[str]:
    """A command about the user's jobs: root would see everybody's, and not every version has `--me`."""
    return ["sh", "-c", 'exec "$0" --user="$(id -un)" "$@"', program, *options]


def _has_key(row: SlurmRow, key: str) -> bool:
    return row.comment.partition(" ")[0] == f"{KEY_PREFIX}{key}" or row.command.endswith(f"/{key}/job.sh")
