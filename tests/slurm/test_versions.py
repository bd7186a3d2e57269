"""Every version of Slurm gives the same answers about the same jobs: its commands print what that version prints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchx.schedulers.batch.commands import LocalCommands
from torchx.specs.api import AppState
from torchx_slurm import parse_json, parse_text
from torchx_slurm.client import JSON_SINCE, SlurmClient
from torchx_slurm.status import to_job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchx.schedulers.batch.job import BatchJob
    from torchx_slurm.status import SlurmRow

SEPARATOR = "\x1f"
DATA = Path(__file__).parent / "data"
VERSIONS = sorted(path.name for path in DATA.iterdir() if (path / "version.txt").exists())

#: Prints a version's output; what the version does not know is refused as Slurm does it.
PROGRAM = """#!/bin/sh
name=${{0##*/}}
case " $* " in
*" --version "*) cat {data}/version.txt; exit ;;
*" --json "*)
  [ -e {data}/$name.json ] && exec cat {data}/$name.json
  echo "$name: unrecognized option '--json'" >&2
  exit 1
  ;;
*" --me "*) echo "$name: unrecognized option '--me'" >&2; exit 1 ;;
esac
exec cat {data}/$name.txt
"""
FORGOTTEN = "#!/bin/sh\ncase $* in --version) exec cat {data}/version.txt;; esac\n"
FORGOTTEN += "echo 'slurm_load_jobs error: Invalid job id specified' >&2\nexit 1\n"
NO_ACCOUNTING = "#!/bin/sh\necho 'Slurm accounting storage is disabled' >&2\nexit 1\n"

STATES = {
    "timed-out": "FAILED",
    "ok": "SUCCEEDED",
    'exit "3", $x': "FAILED",
    "exit-255": "FAILED",
    "exit-130": "FAILED",
    "signal": "FAILED",
    "out-of-memory": "FAILED",
    "running": "RUNNING",
    "cancelled": "CANCELLED",
    "cancelled-before": "CANCELLED",
    "node-failed": "FAILED",
    "requeued": "PENDING",
    "preempted": "FAILED",
    "driven-out": "PENDING",
    "later": "PENDING",
    "held": "PENDING",
    "too-large": "PENDING",
    "never": "PENDING",
    "no-time-left": "FAILED",
    "array": "RUNNING",
    "array-failed": "FAILED",
    "het": "FAILED",
    "het-pending": "PENDING",
    "urgent": "RUNNING",
    "suspended": "RUNNING",
    "foreign": "RUNNING",
    "lines\n999": "RUNNING",
    "ünï | a=b JobState=FAILED 7": "RUNNING",
}
MESSAGES = {
    "timed-out": "the time limit was reached",
    'exit "3", $x': "exit code 3",
    "exit-255": "exit code 255",
    "exit-130": "exit code 130 (SIGINT)",
    "signal": "killed by SIGKILL",
    "out-of-memory": "out of memory",
    "node-failed": "a node failed: n4",
    "preempted": "PREEMPTED: preempted by another job",
    "held": "JobHeldUser: held by the user",
    "no-time-left": "the deadline could not be met",
    "array-failed": "exit code 1",
    "het": "exit code 2",
}
#: Exit codes and signals of the parts.
ENDS = {
    "ok": [(0, 0)],
    'exit "3", $x': [(3, 0)],
    "exit-255": [(255, 0)],
    "exit-130": [(130, 0)],
    "signal": [(0, 9)],
    "array-failed": [(0, 0), (1, 0)],
    "het": [(2, 0), (2, 0)],
}
#: The same, where the fixed format of `sacct` is all that there is, and no step tells more.
UNSURE_ENDS = {"exit-255": [(None, 0)], "array-failed": [(0, 0), (None, 0)], "het": [(None, 0), (2, 0)]}
UNSURE_MESSAGES = {"exit-255": "exit code 127 or 255", "array-failed": "exit code 1 or 129"}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmClient:
    for name in ("squeue", "sacct", "scontrol"):
        install(tmp_path, version, name, PROGRAM)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("torchx_slurm.client.new_separator", lambda: SEPARATOR)
    return SlurmClient(LocalCommands())


def install(folder: Path, version: str, name: str, code: str) -> None:
    (folder / name).write_text(code.format(data=DATA / version))
    (folder / name).chmod(0o755)


def ids() -> list[str]:
    rows = parse_text.parse_squeue((DATA / "22.05" / "squeue.txt").read_text(), SEPARATOR)
    return [*dict.fromkeys(row.app_id for row in rows)]


def by_name(jobs: Iterable[BatchJob]) -> dict[str, BatchJob]:
    return {job.name: job for job in jobs}


def jobs(rows: Iterable[SlurmRow]) -> dict[str, BatchJob]:
    groups: dict[str, list[SlurmRow]] = {}
    for row in rows:
        groups.setdefault(row.app_id, []).append(row)
    return by_name(to_job(group) for group in groups.values())


def ends(job: BatchJob) -> list[tuple[int | None, int]]:
    return [(part.exit_code, part.signal) for part in job.parts]


def test_every_version_from_20_02_on_is_there() -> None:
    releases = ["20.02", "20.11", "21.08", "22.05", "23.02", "23.11", "24.05", "24.11", "25.05"]
    assert {*releases} <= {*VERSIONS}
    for release in VERSIONS:
        assert (DATA / release / "MADE").exists() == (release != "22.05"), release
        assert (DATA / release / "squeue.json").exists() == (release > "21"), release


def test_jobs_are_the_same_in_all_versions(client: SlurmClient) -> None:
    found = by_name(client.query(ids()).values())
    assert {name: job.state.name for name, job in found.items()} == STATES
    assert {name: found[name].msg for name in MESSAGES} == MESSAGES
    assert {name: ends(found[name]) for name in ENDS} == ENDS
    for name in ("requeued", "driven-out"):
        assert found[name].restarts in (1, -1), "the fixed format does not tell it"
    assert [part.role for part in found["array"].parts] == [0, 1]
    assert [part.role for part in found["het-pending"].parts] == [0, 1]
    assert [part.hosts for part in found["het"].parts] == ["n1", "n2"]


def test_list_is_the_same_in_all_versions(client: SlurmClient) -> None:
    assert {job.name: job.state.name for job in client.jobs()} == STATES


def test_jobs_that_only_accounting_knows(client: SlurmClient, version: str, tmp_path: Path) -> None:
    install(tmp_path, version, "squeue", FORGOTTEN)
    found = {job.app_id: job for job in client.query(ids()).values()}
    names = {job.app_id: name for name, job in live(version).items()}
    assert found.keys() >= {i for i, name in names.items() if name in ENDS}
    for app_id, job in found.items():
        name = names[app_id]
        if job.lost:  # it has no end that accounting knows
            assert job.state is AppState.FAILED
        elif STATES[name] not in ("PENDING", "RUNNING"):
            assert job.state.name == STATES[name], name
        text = tuple(map(int, version.split("."))) < JSON_SINCE
        if name in ENDS:
            assert ends(job) == (UNSURE_ENDS if text else {}).get(name, ENDS[name]), name
        if name in MESSAGES and STATES[name] != "PENDING":
            assert job.msg == (UNSURE_MESSAGES if text else {}).get(name, MESSAGES[name]), name


def test_jobs_without_accounting(client: SlurmClient, version: str, tmp_path: Path) -> None:
    install(tmp_path, version, "sacct", NO_ACCOUNTING)
    found = by_name(client.query(ids()).values())
    assert {name: job.state.name for name, job in found.items()} == STATES
    assert {name: ends(found[name]) for name in ENDS} == ENDS


def live(version: str) -> dict[str, BatchJob]:
    return jobs(parse_text.parse_squeue((DATA / version / "squeue.txt").read_text(), SEPARATOR))


def test_every_way_of_asking_slurmctld_tells_the_same_states(version: str) -> None:
    told = {"squeue": live(version), "scontrol": jobs(scontrol(version))}
    if (DATA / version / "squeue.json").exists():
        told["json"] = jobs(parse_json.parse_squeue(read(version, "squeue.json")))
    for name, found in told.items():
        assert {job.name: job.state.name for job in found.values()} == STATES, name
    for name in {*told} - {"squeue"}:
        assert {job: told[name][job].restarts for job in ("ok", "requeued", "driven-out")} == {
            "ok": 0,
            "requeued": 1,
            "driven-out": 1,
        }


def test_json_of_accounting_says_what_its_fixed_format_says(version: str) -> None:
    text = {row.app_id + f"+{row.part}": row for row in parse_text.parse_sacct(read(version, "sacct.txt"), SEPARATOR)}
    if tuple(map(int, version.split("."))) < JSON_SINCE:
        return  # there is none, or one with wrong exit codes, which is not asked for
    for row in parse_json.parse_sacct(read(version, "sacct.json")):
        other = text[row.app_id + f"+{row.part}"]
        assert (row.state, row.signal, row.nodes) == (other.state, other.signal, other.nodes)
        if row.code is not None and other.sure:
            assert row.code == other.code
        assert [(step.name, step.state) for step in row.steps] == [(step.name, step.state) for step in other.steps]


def scontrol(version: str) -> list[SlurmRow]:
    text = read(version, "scontrol.txt")
    return [row for app_id in ids() for row in parse_text.parse_scontrol(text, app_id)]


def read(version: str, name: str) -> str:
    return (DATA / version / name).read_text()
