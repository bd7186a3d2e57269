"""Runs Slurm's commands: the only file that does."""

from __future__ import annotations

import re

from torchx.errors import TorchXError, TransientError
from torchx.schedulers.api import DAYS_IN_2_WEEKS
from torchx.schedulers.batch.commands import CommandTimeoutError, HiddenEnv, missing
from torchx.schedulers.batch.job import BatchJob, BatchSystem
from torchx.specs.api import AppState, is_terminal
from torchx_slurm import parse_json, parse_text
from torchx_slurm.request import KEY_PREFIX, SlurmBatchRequest
from torchx_slurm.status import LOST, SlurmRow, to_job

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

_TRANSIENT = re.compile(
    r"unable to contact slurm controller|socket timed out|connection (?:refused|reset|timed out)|connect failure"
    r"|zero bytes were transmitted|temporarily|try again|unexpected message|transport endpoint|no route to host"
    r"|slurm_persist_conn_open|slurmdbd|problem talking to the database|not responding|in standby mode"
    r"|communication|backup controller|sending/receiving",
    re.IGNORECASE,
)
_UNKNOWN_JOB = re.compile(r"invalid job id", re.IGNORECASE)
_ENDED_JOB = re.compile(r"already completing or completed|job/step already", re.IGNORECASE)
_NO_ACCOUNTING = re.compile(r"accounting storage is disabled|accounting_storage/none", re.IGNORECASE)
_APP_ID = re.compile(r"[0-9]{1,10}")


class SlurmError(TorchXError):
    """Slurm refuses what it was asked."""


class SlurmUnreachableError(TransientError):
    """Slurm does not answer."""


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
        rows = parse_text.parse_squeue(self._run(_squeue("--me")).text)
        found = {row.app_id for row in rows if _has_key(row, key)}
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
        found = _grouped(rows, wanted)
        unsettled = [i for i in wanted if i not in found or any(is_terminal(row.state) for row in found[i])]
        past, past_problem = self._past(unsettled, settled=len(unsettled) - sum(i in found for i in unsettled) == 0)
        for app_id, ended in _grouped(past, unsettled).items():
            found[app_id] = _merged(found.get(app_id, []), ended, live_known=not problem)
        jobs = {app_id: to_job(told) for app_id, told in found.items()}
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
        known = _grouped(parse_text.parse_squeue(self._run(_squeue("--me")).text))
        for app_id, ended in _grouped(past).items():
            known[app_id] = _merged(known.get(app_id, []), ended, live_known=True)
        return [to_job(rows) for rows in known.values()]

    def cancel(self, app_id: str) -> None:
        """Ends a job with all its components or tasks."""
        result = self._try(["scancel", app_id])
        if result.returncode and not (_UNKNOWN_JOB.search(result.stderr) or _ENDED_JOB.search(result.stderr)):
            raise _error("scancel", result)

    def version(self) -> tuple[int, ...]:
        """The version of the commands, such as ``(22, 5, 8)``; empty where they do not tell it."""
        if self._version is None:
            text = self._run(["squeue", "--version"]).text
            found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
            self._version = tuple(int(n) for n in found.groups(default="0")) if found else ()
        return self._version

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
            return [], "" if _UNKNOWN_JOB.search(result.stderr) else _error("squeue", result).message
        return parse_text.parse_squeue(result.text), ""

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
        # root sees everybody's
        whose = ["sh", "-c", 'exec sacct --user="$(id -un)" "$@"', "sh"] if own else ["sacct"]
        result = self._try([*whose, *options])
        if result.returncode == 127 and own:
            raise missing("sacct", self.commands.host)
        if result.returncode or _NO_ACCOUNTING.search(result.stderr):
            raise _error("sacct", result)
        return result

    def _run(self, argv: Sequence[str], *, limit: float = ASK_LIMIT) -> CommandResult:
        result = self._try(argv, limit=limit)
        if result.returncode:
            raise _error(argv[0], result)
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


def _error(program: str, result: CommandResult) -> TorchXError:
    """The error for a command that failed, by what it printed."""
    lines = [line.strip() for line in result.stderr.split("\n") if line.strip()]
    text = "; ".join(line.removeprefix(f"{program}: ").removeprefix("error: ") for line in lines[-3:])
    text = text or f"exit status {result.returncode}"
    if _TRANSIENT.search(result.stderr) and not _NO_ACCOUNTING.search(result.stderr):
        return SlurmUnreachableError(f"{program}: {text}", hint="check that the cluster's slurmctld runs")
    return SlurmError(f"{program}: {text}")


def _has_key(row: SlurmRow, key: str) -> bool:
    return row.comment.partition(" ")[0] == f"{KEY_PREFIX}{key}" or row.command.endswith(f"/{key}/job.sh")


def _grouped(rows: Iterable[SlurmRow], wanted: Iterable[str] | None = None) -> dict[str, list[SlurmRow]]:
    """Rows by job."""
    groups: dict[str, list[SlurmRow]] = {}
    for row in rows:
        groups.setdefault(row.app_id, []).append(row)
    if wanted is None:
        return groups
    return {app_id: groups[app_id] for app_id in wanted if app_id in groups}


def _merged(live: Sequence[SlurmRow], past: Sequence[SlurmRow], *, live_known: bool) -> list[SlurmRow]:
    """A job from both sides: slurmctld has the last word on the state, accounting knows exit codes and steps.

    Args:
        live: what slurmctld says; empty where it has forgotten the job.
        past: what accounting says.
        live_known: slurmctld was asked.
    """
    ended = {row.part: row for row in past}
    merged = []
    for row in live:
        known = ended.pop(row.part, None)
        if known is not None and is_terminal(row.state):
            details = {"code": known.code, "signal": known.signal, "steps": known.steps, "nodes": known.nodes}
            row = SlurmRow(**{**vars(row), **details})
        merged.append(row)
    for row in ended.values():
        if is_terminal(row.state):
            merged.append(row)
        elif live_known and not live:
            merged.append(SlurmRow(**{**vars(row), "states": (LOST,), "reason": ""}))
        elif not live:
            merged.append(row)
    return merged or list(live)
