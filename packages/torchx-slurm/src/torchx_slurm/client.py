"""Runs Slurm's commands: the only file that does."""

from __future__ import annotations

import re

from torchx.errors import TorchXError, TransientError
from torchx.schedulers.api import DAYS_IN_2_WEEKS
from torchx.schedulers.batch.commands import NOT_FOUND, CommandMissingError, CommandTimeoutError, HiddenEnv, missing
from torchx.schedulers.batch.job import BatchJob, BatchSystem
from torchx.specs.api import AppState, is_terminal
from torchx_slurm import parse_json, parse_text
from torchx_slurm.errors import (
    ENDED_JOB,
    NO_ACCOUNTING,
    UNKNOWN_JOB,
    SlurmError,
    SlurmUnreachableError,
    daemon_hint,
    error_of,
)
from torchx_slurm.kills import kills
from torchx_slurm.merge import grouped, merged, with_code
from torchx_slurm.nodes import cluster_name, is_several
from torchx_slurm.parse_text import new_separator, squeue_format
from torchx_slurm.request import KEY_PREFIX, SlurmBatchRequest
from torchx_slurm.status import SlurmRow, cause_of_requeue, to_job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torchx.schedulers.batch.commands import CommandResult, Commands
    from torchx.schedulers.batch.kills import Kill
    from torchx.schedulers.batch.request import BatchRequest

SUBMIT_LIMIT = 120.0
ASK_LIMIT = 20.0
"""Seconds that a command may take. Slurm's own commands give up earlier, by the site's MessageTimeout."""

JSON_SINCE = (23, 2)
"""From this version on ``--json`` obeys the filters of ``squeue``, and exit codes of ``sacct`` are right in it; before,
fixed formats are used (https://slurm.schedmd.com/news.html; observed with 22.05)."""

JSON_AT_MOST = 200
"""Of more jobs than that, the fixed formats are asked for: JSON takes 5 to 50 KB a job."""

AT_ONCE = 10_000
"""Of so many jobs a command is asked at once: Linux takes 128 KiB for an argument, and an id has up to 10 digits."""

KEPT_AT_MOST = 50
"""Of so many jobs slurmctld is asked for exit codes, one after the other: they are one text each, in which names and
comments may hold anything."""

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

_APP_ID = re.compile(r"(?P<whole>[0-9]{1,10})(?:[+_](?P<part>[0-9]{1,7}))?")
"""A job, a component ``12+1`` of it, or a task ``12_3``."""


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
        asked = {app_id: found for app_id in app_ids if (found := _APP_ID.fullmatch(app_id))}
        wanted = [*dict.fromkeys(found["whole"] for found in asked.values())]
        told: dict[str, list[SlurmRow]] = {}
        unknown: dict[str, str] = {}
        for begin in range(0, len(wanted), AT_ONCE):
            self._query(wanted[begin : begin + AT_ONCE], told, unknown)
        failed = self._failed_nodes(row for rows in told.values() for row in rows)
        jobs: dict[str, BatchJob] = {}
        for app_id, found in asked.items():
            job = _job_of(found, told.get(found["whole"], []), failed)
            reason = unknown.get(found["whole"], "")
            if reason and (job is None or not is_terminal(job.state)):
                job = BatchJob(app_id, AppState.UNKNOWN, msg=reason)
            if job is not None:
                jobs[app_id] = job
        return jobs

    def _query(self, wanted: list[str], told: dict[str, list[SlurmRow]], unknown: dict[str, str]) -> None:
        """Adds what is told of jobs, and why more is not known of them."""
        rows, problem = self._live(wanted)
        found = grouped(rows, wanted)
        unsettled = [i for i in wanted if i not in found or any(is_terminal(row.state) for row in found[i])]
        past, past_problem = self._past(unsettled, settled=len(unsettled) - sum(i in found for i in unsettled) == 0)
        for app_id, ended in grouped(past, unsettled).items():
            found[app_id] = merged(found.get(app_id, []), ended, live_known=not problem)
        self._complete(found, {row.app_id for row in rows})
        told.update(found)
        for app_id in wanted:
            reason = problem or (past_problem if app_id not in found else "")
            if reason:
                unknown[app_id] = reason

    def _complete(self, found: dict[str, list[SlurmRow]], live: set[str]) -> None:
        """Asks slurmctld for exit codes of jobs that it still knows, if these are not surely right.

        Those of jobs of ours are in their folders.
        """
        unsure = [app_id for app_id, rows in found.items() if app_id in live and any(map(_is_unsure, rows))]
        for app_id, rows in grouped(self._kept(unsure)).items():
            codes = {row.part: row for row in rows}
            found[app_id] = [with_code(row, codes.get(row.part, row)) for row in found[app_id]]

    def jobs(self) -> Iterable[BatchJob]:
        """The user's jobs: those that Slurm knows now, and those of two weeks that accounting knows."""
        self.version()  # where Slurm is not installed, that is the error
        # Accounting first: a job that is submitted meanwhile must not look as if slurmctld had lost it.
        try:
            past = self._sacct_rows("--allocations", f"--starttime=now-{DAYS_IN_2_WEEKS}days", own=True)
        except (SlurmError, TransientError, CommandMissingError) as error:  # no accounting, or not now
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

    def kills(self, log: str) -> Sequence[Kill]:
        """The tasks of which ``srun`` says that they were out of memory."""
        return kills(log)

    def cluster(self) -> str:
        """The ``ClusterName`` of the configuration that Slurm's commands on this machine read; empty: not known."""
        return "" if self.commands.host else cluster_name()

    def why_again(self, app_id: str) -> str:
        """What accounting says of the run before the one that the job waits for."""
        try:
            options = ["--allocations", "--duplicates", f"--jobs={app_id}", "--noheader", "--format=State%30"]
            result = self._sacct(options)
        except (SlurmError, TransientError, CommandMissingError):
            return ""
        states = [line.split()[0].rstrip("+") for line in result.text.split("\n") if line.strip()]
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
            separator = new_separator()
            result = self._try(_squeue(separator, f"--jobs={','.join(app_ids)}"))
        except TransientError as error:
            return [], error.message
        if result.returncode:
            return [], "" if UNKNOWN_JOB.search(result.stderr) else error_of("squeue", result).message
        return parse_text.parse_squeue(result.text, separator), ""

    def _own_live(self) -> list[SlurmRow]:
        """What slurmctld knows of the user's jobs."""
        separator = new_separator()
        result = self._try_own(_squeue(separator))
        if result.returncode:
            raise error_of("squeue", result)
        return parse_text.parse_squeue(result.text, separator)

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
            return self._sacct_rows(jobs), ""
        except (SlurmError, CommandMissingError):  # no accounting
            return self._kept(app_ids), ""
        except TransientError as error:
            return (self._kept(app_ids), "") if settled else ([], error.message)

    def _kept(self, app_ids: Sequence[str]) -> list[SlurmRow]:
        """What slurmctld still knows of ended jobs, with exit codes."""
        asked = [*app_ids[:KEPT_AT_MOST]]
        if not asked:
            return []
        separator = new_separator()
        try:
            result = self._try(["sh", "-c", _EACH, separator, *asked], name="scontrol")
        except (TransientError, CommandMissingError):
            return []
        texts = result.text.split(separator)[1:]
        return [row for pair in zip(texts, asked, strict=False) for row in parse_text.parse_scontrol(*pair)]

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

    def _sacct_rows(self, *options: str, own: bool = False) -> list[SlurmRow]:
        separator = new_separator()
        fields = ",".join(parse_text.SACCT_FIELDS)
        shape = ["--noheader", "--parsable", f"--delimiter={separator}", f"--format={fields}"]
        return parse_text.parse_sacct(self._sacct([*options, *shape], own=own).text, separator)

    def _sacct(self, options: Sequence[str], *, own: bool = False) -> CommandResult:
        argv = ["sacct", *options]
        result = self._try_own(argv) if own else self._try(argv)
        if result.returncode == NOT_FOUND and own:
            raise missing("sacct", self.commands.host)
        if result.returncode or NO_ACCOUNTING.search(result.stderr):
            raise error_of("sacct", result)
        return result

    def _run(self, argv: Sequence[str], *, limit: float = ASK_LIMIT) -> CommandResult:
        result = self._try(argv, limit=limit)
        if result.returncode:
            raise error_of(argv[0], result)
        return result

    def _try_own(self, argv: Sequence[str]) -> CommandResult:
        """Asks about the user's jobs: root would see everybody's, and not every version has `--me`."""
        return self._try(["sh", "-c", _OWN, *argv], name=argv[0])

    def _try(self, argv: Sequence[str], *, limit: float = ASK_LIMIT, name: str | None = None) -> CommandResult:
        """Runs a command; one that a shell runs has a name."""
        name = name or argv[0]
        try:
            return self.commands.run(argv, timeout=limit, hidden=HIDDEN, name=name)
        except CommandTimeoutError as error:
            raise SlurmUnreachableError(error.message, hint=daemon_hint(name)) from error


_OWN = 'exec "$0" --user="$(id -un)" "$@"'
_EACH = 'for job; do printf %s "$0"; scontrol --oneliner show job "$job" 2>/dev/null; done; :'


def _warn(error: TorchXError) -> None:
    import logging

    from torchx.util.masking import mask_text

    hint = f" ({error.hint})" if error.hint else ""
    logging.getLogger(__name__).warning("ended jobs may be missing: %s%s", mask_text(error.message), hint)


def _squeue(separator: str, *filters: str) -> list[str]:
    return ["squeue", "--all", "--states=all", "--noheader", f"--format={squeue_format(separator)}", *filters]


def _job_of(asked: re.Match[str], rows: Sequence[SlurmRow], failed_nodes: set[str]) -> BatchJob | None:
    """A job, or the part that was asked for, which is told as a job of its own."""
    if asked["part"] is None:
        return to_job(rows, failed_nodes) if rows else None
    own = [row for row in rows if row.part == int(asked["part"])]
    if not own:
        return None
    job = to_job(own, failed_nodes)
    job.app_id, job.folder = asked[0], None
    return job


def _is_unsure(row: SlurmRow) -> bool:
    return (
        row.state is AppState.FAILED and (row.code is None or not row.sure) and not row.comment.startswith(KEY_PREFIX)
    )


def _has_key(row: SlurmRow, key: str) -> bool:
    return row.comment.partition(" ")[0] == f"{KEY_PREFIX}{key}" or row.command.endswith(f"/{key}/job.sh")
