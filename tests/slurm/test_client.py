"""How Slurm is asked: its commands are programs that print what real ones have printed."""

from __future__ import annotations

import os
import pwd
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchx.errors import TorchXError, TransientError
from torchx.runner._logs import LogQuery, log_blocks
from torchx.schedulers.batch.commands import CommandMissingError, CommandResult, LocalCommands
from torchx.specs.api import AppDef, AppState, Resource, Role
from torchx_slurm.client import SlurmClient
from torchx_slurm.errors import SlurmError, error_of
from torchx_slurm.scheduler import create_scheduler

if TYPE_CHECKING:
    from torchx_slurm.request import SlurmBatchRequest

SEPARATOR = "\x1f"
DATA = Path(__file__).parent / "data"

DOWN = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
TIMED_OUT = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
NO_DATABASE = "sacct: error: Sending PersistInit msg: Connection refused\nsacct: fatal: Problem talking to the database"
NO_ACCOUNTING = "Slurm accounting storage is disabled"


class Commands:
    """Programs in a folder on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "calls"

    def answer(self, name: str, text: str = "", *, error: str = "", code: int = 0) -> None:
        """Makes a command print a text, and an error."""
        out = self.folder / f"{name}.out"
        out.write_text(text)
        version = f'[ "$1" = --version ] && {{ cat {self.folder}/version; exit 0; }}'
        note = f"""printf '%s\\n' {name}" $*" | tr '\\n' ' ' >>{self.log}; echo >>{self.log}"""
        self.do(name, f"{version}\n{note}\ncat {out}\nprintf '%s' {shlex.quote(error)} >&2\nexit {code}")

    def do(self, name: str, code: str) -> None:
        """Makes a command run shell code."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{code}\n")
        path.chmod(0o755)

    def calls(self, name: str) -> list[str]:
        """The calls of a command."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.split(" ")[0] == name]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "version").write_text("slurm 22.05.8\n")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("torchx_slurm.client.new_separator", lambda: SEPARATOR)
    return Commands(folder)


@pytest.fixture
def client() -> SlurmClient:
    return SlurmClient(LocalCommands())


def squeue(*rows: tuple[str, str], reason: str = "None", command: str = "(null)", comment: str = "(null)") -> str:
    lines = (SEPARATOR.join((job, state, reason, "n1", command, comment, "name")) for job, state in rows)
    return "".join(f"{line}{SEPARATOR}\n" for line in lines)


def sacct(*rows: tuple[str, str, str]) -> str:
    fields = ((job, state, code, "0:0", "n1", "name", "\n") for job, state, code in rows)
    return "".join(SEPARATOR.join(row) for row in fields)


def states(client: SlurmClient, *app_ids: str) -> dict[str, AppState]:
    return {app_id: job.state for app_id, job in client.query(app_ids).items()}


def test_running_jobs_need_no_accounting(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", squeue(("7", "RUNNING"), ("8", "PENDING"), reason="Resources"))
    assert states(client, "7", "8") == {"7": AppState.RUNNING, "8": AppState.PENDING}
    assert len(commands.calls("squeue")) == 1


def test_jobs_beyond_the_length_of_a_command_line(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", squeue(("1000000000", "RUNNING"), ("1000019999", "PENDING")))
    commands.answer("sacct")
    found = states(client, *(str(1_000_000_000 + n) for n in range(20_000)))
    assert found == {"1000000000": AppState.RUNNING, "1000019999": AppState.PENDING}
    assert len(commands.calls("squeue")) == 2


FOREIGN = ("SQUEUE_ACCOUNT", "SACCT_FORMAT", "SCANCEL_USER", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT", "SLURM_MEM_PER_CPU")


@pytest.mark.parametrize("name", [*FOREIGN, "SBATCH_ARRAY_INX"])
def test_the_user_s_variables_change_no_question(
    commands: Commands, client: SlurmClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    row = squeue(("7", "RUNNING")).strip("\n")
    commands.do("squeue", f'[ -z "${{{name}+set}}" ] && [ -n "$SLURM_CONF" ] && echo {shlex.quote(row)}')
    assert states(client, "7") == {"7": AppState.RUNNING}


def test_one_call_of_each_for_any_number_of_jobs(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", squeue(*((str(n), "RUNNING") for n in range(100))))
    commands.answer("sacct", sacct(*((str(n), "COMPLETED", "0:0") for n in range(100, 300))))
    found = states(client, *map(str, range(300)))
    assert [*found.values()].count(AppState.SUCCEEDED) == 200
    assert [len(commands.calls(name)) for name in ("squeue", "sacct")] == [1, 1]
    assert "--jobs=100,101," in commands.calls("sacct")[0]


def test_accounting_tells_exit_codes_of_what_has_ended(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", squeue(("7+0", "FAILED"), ("7+1", "FAILED")))
    rows = [("7+0", "FAILED", "3:0"), ("7+0.0", "COMPLETED", "0:0"), ("7+1", "FAILED", "3:0")]
    commands.answer("sacct", sacct(*rows, ("7+1.0", "OUT_OF_MEMORY", "0:125")))
    job = client.query(["7"])["7"]
    assert (job.state, job.msg) == (AppState.FAILED, "out of memory")
    assert [(part.exit_code, part.signal) for part in job.parts] == [(None, 0), (0, 125)]


def test_slurmctld_tells_exit_codes_while_it_knows_the_job(commands: Commands, client: SlurmClient) -> None:
    """Accounting leaves out 128 of a code in its fixed format. Of jobs of ours their notes tell."""
    commands.answer("squeue", squeue(("7", "FAILED")) + squeue(("8", "FAILED"), comment="torchx:key"))
    commands.answer("sacct", sacct(("7", "FAILED", "127:0"), ("8", "FAILED", "127:0"), ("9", "FAILED", "127:0")))
    commands.answer("scontrol", "JobId=7 JobName=x JobState=FAILED Reason=NonZeroExitCode Restarts=0 ExitCode=255:0 \n")
    found = client.query(["7", "8", "9"])
    assert {app_id: job.msg for app_id, job in found.items()} == {
        "7": "exit code 255",
        "8": "exit code 127 or 255",
        "9": "exit code 127 or 255",
    }
    assert commands.calls("scontrol") == ["scontrol --oneliner show job 7 "]


def test_first_component_that_failed_fails_the_job(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", error="slurm_load_jobs error: Invalid job id specified", code=1)
    commands.answer("sacct", sacct(("7+0", "FAILED", "1:0"), ("7+1", "COMPLETED", "0:0")))
    assert states(client, "7") == {"7": AppState.FAILED}


def test_unknown_jobs_are_left_out(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", error="slurm_load_jobs error: Invalid job id specified", code=1)
    commands.answer("sacct")
    assert states(client, "7") == {}
    assert states(client, "nothing", "7; id", "-7", "７") == {}
    assert len(commands.calls("squeue")) == 1


def test_job_that_only_accounting_takes_for_running_is_lost(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", squeue(("7", "COMPLETED")))
    commands.answer("sacct", sacct(("7", "RUNNING", "0:0"), ("8", "RUNNING", "0:0")))
    found = client.query(["7", "8"])
    assert (found["7"].state, found["7"].lost) == (AppState.SUCCEEDED, False)
    assert (found["8"].state, found["8"].lost) == (AppState.FAILED, True)
    assert "lost" in found["8"].msg


def test_queued_again_is_not_failed(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", squeue(("7", "PENDING"), reason="BeginTime"))
    commands.answer("sacct", sacct(("7", "NODE_FAIL", "0:0")))
    assert states(client, "7") == {"7": AppState.PENDING}


def test_controller_that_is_away(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", error=DOWN, code=1)
    commands.answer("sacct", sacct(("7", "RUNNING", "0:0"), ("8", "FAILED", "2:0")))
    found = client.query(["7", "8", "9"])
    assert {app_id: job.state for app_id, job in found.items()} == {
        "7": AppState.UNKNOWN,
        "8": AppState.FAILED,
        "9": AppState.UNKNOWN,
    }
    assert "Unable to contact slurm controller" in found["7"].msg


def test_accounting_that_is_away(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", squeue(("7", "FAILED"), ("8", "RUNNING")))
    commands.answer("sacct", error=NO_DATABASE, code=1)
    found = client.query(["7", "8", "9"])
    assert (found["8"].state, found["9"].state) == (AppState.RUNNING, AppState.UNKNOWN)
    assert "database" in found["9"].msg
    commands.answer("scontrol", "JobId=7 JobName=x JobState=FAILED Reason=NonZeroExitCode Restarts=0 ExitCode=4:0 \n")
    assert client.query(["7"])["7"].msg == "exit code 4"


def test_without_accounting_slurmctld_tells_exit_codes(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", squeue(("7", "FAILED")))
    commands.answer("sacct", error=NO_ACCOUNTING, code=1)
    commands.answer("scontrol", "JobId=7 JobName=x JobState=FAILED Reason=NonZeroExitCode Restarts=1 ExitCode=4:0 \n")
    job = client.query(["7"])["7"]
    assert (job.state, job.msg) == (AppState.FAILED, "exit code 4")
    commands.answer("squeue", squeue(("7", "RUNNING"), ("8", "RUNNING")))
    assert {job.app_id for job in client.jobs()} == {"7", "8"}


@pytest.mark.parametrize("version", ["23.02", "23.11", "25.11"])
def test_json_is_read_where_it_obeys_the_filters(commands: Commands, client: SlurmClient, version: str) -> None:
    (commands.folder / "version").write_text(f"slurm {version}.1\n")
    for name in ("squeue", "sacct"):
        commands.answer(name, (DATA / version / f"{name}.json").read_text())
    found = client.query(["2", "3", "8", "20"])
    assert {app_id: job.state for app_id, job in found.items()} == {
        "2": AppState.SUCCEEDED,
        "3": AppState.FAILED,
        "8": AppState.RUNNING,
        "20": AppState.FAILED,
    }
    assert found["3"].msg == "exit code 3"
    assert "--json" in commands.calls("squeue")[0]
    assert "--json" in commands.calls("sacct")[0]


def test_build_without_json_is_asked_for_text(commands: Commands, client: SlurmClient) -> None:
    (commands.folder / "version").write_text("slurm 24.05.1\n")
    answer = squeue(("7", "RUNNING"))
    (commands.folder / "text").write_text(answer)
    version = f'[ "$1" = --version ] && {{ cat {commands.folder}/version; exit 0; }}'
    failed = 'case "$*" in *--json*) echo "squeue: error: unable to find plugin serializer/json" >&2; exit 1;; esac'
    commands.do("squeue", f"{version}\n{failed}\ncat {commands.folder}/text")
    assert states(client, "7") == {"7": AppState.RUNNING}


def test_list_joins_both_sides(commands: Commands, client: SlurmClient) -> None:
    rows = [("7", "RUNNING"), ("8+0", "PENDING"), ("8+1", "PENDING"), ("9_[2-3]", "PENDING"), ("9_1", "RUNNING")]
    commands.answer("squeue", squeue(*rows))
    past = [
        ("5", "COMPLETED", "0:0"),
        ("7", "RUNNING", "0:0"),
        ("6", "CANCELLED by 0", "0:0"),
        ("9_0", "FAILED", "1:0"),
    ]
    commands.answer("sacct", sacct(*past))
    assert {job.app_id: job.state for job in client.jobs()} == {
        "5": AppState.SUCCEEDED,
        "6": AppState.CANCELLED,
        "7": AppState.RUNNING,
        "8": AppState.PENDING,
        "9": AppState.RUNNING,
    }
    for name in ("squeue", "sacct"):
        assert f"--user={pwd.getpwuid(os.getuid()).pw_name} " in commands.calls(name)[0]
    assert "now-14days" in commands.calls("sacct")[0]


REFUSED = """sacct: error: _open_persist_conn: failed to open persistent connection to host:n0:6819: Connection refused
sacct: error: Sending PersistInit msg: Connection refused
sacct: fatal: Problem talking to the database: Connection refused"""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (REFUSED, "Problem talking to the database: Connection refused (check that the cluster's slurmdbd runs)"),
        (NO_ACCOUNTING, NO_ACCOUNTING),
    ],
    ids=["slurmdbd is down", "no accounting"],
)
def test_list_without_accounting_tells_once_what_may_be_missing(
    commands: Commands, client: SlurmClient, caplog: pytest.LogCaptureFixture, error: str, told: str
) -> None:
    commands.answer("squeue", squeue(("7", "RUNNING")))
    commands.answer("sacct", error=error, code=1)
    assert [job.app_id for job in client.jobs()] == ["7"]
    assert [record.getMessage() for record in caplog.records] == [f"ended jobs may be missing: sacct: {told}"]


def test_command_that_hangs_is_named_with_the_daemon_to_look_at(
    commands: Commands, client: SlurmClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SlurmClient._try, "__kwdefaults__", {"limit": 0.2, "name": None})
    commands.answer("squeue")
    client.version()
    for name in ("sacct", "scancel"):
        commands.do(name, "exec sleep 60")
    assert client.jobs() == []
    told = "ended jobs may be missing: `sacct` did not end within 0.2 s (check that the cluster's slurmdbd runs)"
    assert [record.getMessage() for record in caplog.records] == [told]
    with pytest.raises(TransientError, match=r"^`scancel` did not end within 0.2 s$") as caught:
        client.cancel("7")
    assert caught.value.hint == "check that the cluster's slurmctld runs"
    commands.do("squeue", "exec sleep 60")
    with pytest.raises(TransientError, match=r"^`squeue` did not end within 0.2 s$") as caught:
        client.jobs()
    assert caught.value.hint == "check that the cluster's slurmctld runs"


def test_list_begins_with_the_newest_job(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", squeue(("9", "RUNNING"), ("10", "PENDING")))
    commands.answer("sacct", sacct(("8", "COMPLETED", "0:0"), ("11", "FAILED", "1:0")))
    assert [job.app_id for job in client.jobs()] == ["11", "10", "9", "8"]


def test_node_that_is_down_is_the_one_that_failed(commands: Commands, client: SlurmClient) -> None:
    """A job tells only all of its nodes; of one node there is nothing to ask."""
    commands.answer(
        "squeue", "".join(squeue((app_id, "NODE_FAIL")) for app_id in ("7", "8")).replace("n1", "n[1-3]", 1)
    )
    commands.answer("sacct")
    commands.answer("sinfo", "n3\nn3\n")
    found = client.query(["7", "8"])
    assert (found["7"].msg, found["8"].msg) == ("a node failed: n3", "a node failed: n1")
    (call,) = commands.calls("sinfo")
    assert "--nodes=n[1-3]" in call
    commands.answer("sinfo", error=DOWN, code=1)
    assert client.query(["7"])["7"].msg == "a node failed"


@pytest.mark.parametrize(
    ("runs", "cause"),
    [
        (["PREEMPTED", "PENDING"], "PREEMPTED: preempted by another job"),
        (["PREEMPTED", "NODE_FAIL", "PENDING"], "NODE_FAIL: a node failed"),
        (["REQUEUED", "PENDING"], ""),
        (["PENDING"], ""),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_cause_of_a_requeue_is_the_run_before(
    commands: Commands, client: SlurmClient, runs: list[str], cause: str
) -> None:
    commands.answer("sacct", "".join(f"{state:>30} \n" for state in runs))
    assert client.why_again("7") == cause
    assert "--duplicates" in commands.calls("sacct")[0]


def test_cluster_is_that_of_the_configuration(
    client: SlurmClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    conf = tmp_path / "slurm.conf"
    monkeypatch.setenv("SLURM_CONF", str(conf))
    assert client.cluster() == str(conf)
    conf.write_text("# ClusterName=old\nSlurmUser=slurm\n clustername = north # the new one\n")
    assert client.cluster() == "north"


def test_list_does_not_claim_to_know_without_a_controller(commands: Commands, client: SlurmClient) -> None:
    commands.answer("squeue", error=DOWN, code=1)
    with pytest.raises(TransientError):
        client.jobs()


def test_cancel(commands: Commands, client: SlurmClient) -> None:
    commands.answer("scancel")
    client.cancel("7")
    assert commands.calls("scancel") == ["scancel 7 "]
    for error in (
        "scancel: error: Kill job error on job id 7: Invalid job id specified",
        "scancel: error: Kill job error on job id 7: Job/step already completing or completed",
    ):
        commands.answer("scancel", error=error, code=1)
        client.cancel("7")
    commands.answer("scancel", error="scancel: error: Kill job error on job id 7: Access/permission denied", code=1)
    with pytest.raises(SlurmError, match="permission denied"):
        client.cancel("7")
    commands.answer("scancel", error=DOWN, code=1)
    with pytest.raises(TransientError):
        client.cancel("7")


# -- submission --------------------------------------------------------------------------------------------------------


def dryrun() -> Any:
    role = Role("worker", "image", entrypoint="true", resource=Resource(cpu=1, gpu=0, memMB=1))
    return create_scheduler("session").submit_dryrun(AppDef("app", [role]), {})


@pytest.mark.parametrize("answer", ["7\n", "7;cluster\n"], ids=["one cluster", "of several"])
def test_submission(commands: Commands, answer: str) -> None:
    commands.answer("sbatch", answer)
    info = dryrun()
    scheduler = create_scheduler("session")
    assert scheduler.schedule(info) == "7"
    assert scheduler.schedule(info) == "7"
    (call,) = commands.calls("sbatch")
    assert call.startswith("sbatch --parsable --job-name=app --comment=torchx:app-")


def test_refused_submission_is_told_in_one_line_and_not_repeated(commands: Commands) -> None:
    errors = "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid x"
    commands.answer("sbatch", error=errors, code=1)
    with pytest.raises(SlurmError) as caught:
        create_scheduler("session").schedule(dryrun())
    expected = "sbatch: invalid partition specified: nope; Batch job submission failed: Invalid x"
    assert caught.value.message == expected
    assert caught.value.hint == "change the option partition: `sinfo -s` tells what is valid"
    assert len(commands.calls("sbatch")) == 1


FAILED = "Batch job submission failed: "


@pytest.mark.parametrize(
    ("error", "option", "shown"),
    [
        (f"{FAILED}Invalid partition name specified", "option partition", "sinfo -s"),
        (f"{FAILED}User's group not permitted to use this partition", "option partition", "sinfo -s"),
        (
            f"{FAILED}Invalid account or account/partition combination specified",
            "option account",
            "sacctmgr show assoc",
        ),
        (f"{FAILED}Invalid qos specification", "option qos", "sacctmgr show assoc user=$USER"),
        (f"{FAILED}Job violates accounting/QOS policy (job submit limit, user's size)", "qos", "sacctmgr show assoc"),
        (f"{FAILED}Requested time limit is invalid (missing or exceeds some limit)", "option time", "sinfo -s"),
        (f"{FAILED}Invalid feature specification", "option constraint", "scontrol show node"),
        (
            f"Memory specification can not be satisfied\n{FAILED}Requested node configuration is not available",
            "memMB",
            "",
        ),
        (f"{FAILED}Memory required by task is not available", "memMB", "scontrol show node"),
        (f"{FAILED}Invalid generic resource (gres) specification", "role's gpu", "scontrol show node"),
        (f"{FAILED}Invalid Trackable RESource (TRES) specification", "role's gpu", "scontrol show node"),
        (f"{FAILED}Requested node configuration is not available", "cpu, memMB, gpu", "scontrol show node"),
        ("Invalid --mail-type specification", "option mail_type", "END, FAIL"),
        ("invalid partition specified: Invalid qos specification", "option partition", "sinfo -s"),
    ],
)
def test_refusal_names_the_option_and_what_is_valid(error: str, option: str, shown: str) -> None:
    stderr = "\n".join(f"sbatch: error: {line}" for line in error.split("\n"))
    refused = error_of("sbatch", CommandResult(1, b"", stderr))
    assert isinstance(refused, SlurmError)
    assert refused.hint is not None
    assert option in refused.hint
    assert shown in refused.hint


def test_refusal_that_names_nothing_gets_no_hint() -> None:
    for program, stderr in [("sbatch", "sbatch: error: cli_filter: no"), ("sinfo", "sinfo: error: Invalid partition")]:
        assert error_of(program, CommandResult(1, b"", stderr)).hint is None


@pytest.mark.parametrize("by", ["comment", "script", "accounting"])
def test_lost_answer_is_looked_up_by_key(commands: Commands, by: str) -> None:
    info = dryrun()
    request: SlurmBatchRequest = info.request
    commands.answer("sbatch", error=TIMED_OUT, code=1)
    told = {"comment": f"torchx:{request.key} mine"} if by == "comment" else {"command": f"{request.folder}/job.sh"}
    commands.answer("squeue", squeue(("7+0", "RUNNING"), ("7+1", "RUNNING"), **told) if by != "accounting" else "")
    commands.answer("sacct", f"7|sbatch --comment=torchx:{request.key} x/job.sh\n8|sbatch --comment=torchx:other x\n")
    assert create_scheduler("session").schedule(info) == "7"
    assert len(commands.calls("sbatch")) == 1


def test_submission_that_made_no_job_is_repeated(commands: Commands, tmp_path: Path) -> None:
    commands.answer("squeue")
    commands.answer("sacct")
    once = f'if [ -e {tmp_path}/tried ]; then echo 7; else touch {tmp_path}/tried; echo "{TIMED_OUT}" >&2; exit 1; fi'
    commands.do("sbatch", once)
    assert create_scheduler("session").schedule(dryrun()) == "7"


def test_submission_gives_up_after_a_while(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchx.schedulers.batch.submission.SUBMIT_TIMEOUT", 1.0)
    commands.answer("squeue", error=DOWN, code=1)
    commands.answer("sbatch", error=TIMED_OUT, code=1)
    with pytest.raises(TransientError, match="slurm") as caught:
        create_scheduler("session").schedule(dryrun())
    assert "\n" not in caught.value.message
    assert len(commands.calls("sbatch")) == 1  # never again without knowing that there is no job


@pytest.mark.parametrize(("begun", "kept", "ended"), [(None, "7", "8"), ("8", "8", "7")], ids=["waiting", "begun"])
def test_second_job_of_a_lost_answer_is_ended(
    commands: Commands, tmp_path: Path, begun: str | None, kept: str, ended: str
) -> None:
    """It turns up only after the submission was repeated. The one that runs is kept."""
    info = dryrun()
    told = squeue(("7", "PENDING"), ("8", "PENDING"), comment=f"torchx:{info.request.key}")
    (tmp_path / "later").write_text(told)
    commands.do("squeue", f"[ -e {tmp_path}/twice ] && cat {tmp_path}/later; exit 0")
    commands.answer("sacct")
    commands.answer("scancel")
    first = f'touch {tmp_path}/tried; echo "{TIMED_OUT}" >&2; exit 1'
    start = f"echo {begun} >{info.request.folder}/owner;" if begun else ""
    commands.do("sbatch", f"if [ -e {tmp_path}/tried ]; then {start} touch {tmp_path}/twice; echo 8; else {first}; fi")
    assert create_scheduler("session").schedule(info) == kept
    assert commands.calls("scancel") == [f"scancel {ended} "]
    assert (Path(info.request.folder) / "owner").read_text() == f"{kept}\n"


def test_missing_sbatch_is_one_line_with_the_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCHX_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CommandMissingError, match="`sbatch`") as caught:
        create_scheduler("session").schedule(dryrun())
    assert caught.value.hint == "run torchx on a login node of the cluster, or name one with the option ssh_host"
    with pytest.raises(TorchXError, match="squeue"):
        create_scheduler("session").list()


def test_submission_and_questions_over_ssh(commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ssh = 'while [ "$1" != -- ]; do shift; done; [ "$2" = login ] || exit 255; cd; exec sh -c "$3"'
    commands.do("ssh", f"echo ssh >>{commands.log}; {ssh}")
    monkeypatch.setenv("HOME", str(tmp_path / "far"))
    (tmp_path / "far").mkdir()
    commands.answer("sbatch", "7\n")
    commands.answer("squeue", squeue(("7", "RUNNING")))
    role = Role("worker", "image", entrypoint="true", num_replicas=20, resource=Resource(cpu=1, gpu=0, memMB=1))
    info = create_scheduler("session").submit_dryrun(AppDef("app", [role]), {"ssh_host": "login"})
    app_id = create_scheduler("session").schedule(info)
    folder = tmp_path / "far" / ".torchx" / "slurm" / "jobs" / info.request.key
    assert (folder / "role-0.sh").exists()
    assert commands.calls("sbatch")[0].rstrip().endswith(f"{folder}/job.sh")
    later = create_scheduler("another")
    described = later.describe(app_id)
    assert described is not None
    assert (described.state, described.roles[0].name) == (AppState.RUNNING, "worker")
    log = folder / "logs" / "worker" / "0"
    log.mkdir(parents=True)
    (log / "stdout.log").write_text("hello\n")
    assert [*later.log_iter(app_id, "worker")] == ["hello\n"]
    before = len(commands.calls("ssh"))
    replicas = [("worker", k) for k in range(20)]
    assert [*log_blocks(later, app_id, replicas, LogQuery())] == [(("worker", 0), b"hello\n")]
    assert len(commands.calls("ssh")) - before <= 6
    asked, before = len(commands.calls("squeue")), len(commands.calls("ssh"))
    for _ in range(50):
        polled = later.poll(app_id)
        assert polled is not None
        assert polled.state == AppState.RUNNING
    assert (len(commands.calls("squeue")), len(commands.calls("ssh")) - before <= 6) == (asked, True)
    commands.answer("scancel")
    later.delete(app_id)
    assert not folder.exists()


def test_logs_are_read_where_slurm_s_commands_are_missing(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of a job that was submitted from another machine with the same home folder."""
    commands.answer("sbatch", "7\n")
    info = dryrun()
    create_scheduler("session").schedule(info)
    log = Path(info.request.folder) / "logs" / "worker" / "0"
    log.mkdir(parents=True)
    (log / "stdout.log").write_text("hello\n")
    (log / "state").write_text("start 0 n1 100\nend 0 0 160\n")
    monkeypatch.setenv("PATH", "/nonexistent")
    later = create_scheduler("another")
    assert [*later.log_iter("7", "worker", should_tail=True)] == ["hello\n"]
