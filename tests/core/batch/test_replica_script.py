"""The script of a replica, run by real shells."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from torchx.errors import UsageError
from torchx.schedulers.batch.exit_status import ended_text
from torchx.schedulers.batch.quoting import APP_ID, REPLICA, script_bytes
from torchx.schedulers.batch.replica import ReplicaCommand, replica_script
from torchx.schedulers.batch.replica_states import ReplicaNote, failure, parse_note, role_statuses
from torchx.testing import HOSTILE_TEXTS, NOT_UNICODE
from torchx.testing.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

SHELLS = ["sh", "bash"]
STRANGE_NAMES = [
    *(
        "a.b",
        "a-b",
        "UID",
        "IFS",
        "LINENO",
        "OPTIND",
        "LC_ALL",
        "LANG",
        "PATH_",
        "_",
        "_torchx_dir",
        "ünï",
        "1A",
        "a b",
    ),
    *("-x", "--", "$(id)", "a;b", "a\nb", "BASH_FUNC_x%%", "BASH_ENV", "EXECIGNORE", "POSIXLY_CORRECT", "'", "\udcff"),
]


def started(command: ReplicaCommand, folder: Path, shell: str = "sh") -> subprocess.Popen[bytes]:
    """Starts replica 2 of a role; its logs are in ``folder/logs/2``."""
    path = folder / "role.sh"
    path.write_bytes(script_bytes(replica_script(command, logs=str(folder / "logs"), replica='"$NUMBER"')))
    return subprocess.Popen(
        [shell, str(path), "77", "first-host", "0"],
        env={"PATH": os.environ["PATH"], "NUMBER": "2"},
        stderr=subprocess.PIPE,
        cwd=folder,
    )


def run(command: ReplicaCommand, folder: Path, shell: str = "sh") -> int:
    """Runs it to its end; returns its exit status."""
    process = started(command, folder, shell)
    process.communicate(timeout=60)
    return process.returncode


def read(folder: Path, name: str) -> bytes:
    return (folder / "logs" / "2" / name).read_bytes()


@pytest.mark.parametrize("shell", SHELLS)
def test_arguments_and_variables_arrive_byte_for_byte(shell: str, tmp_path: Path) -> None:
    texts = [*HOSTILE_TEXTS, *NOT_UNICODE]
    show = 'import os, sys; os.write(1, b"\\0".join(map(os.fsencode, [*sys.argv[1:], *(os.environ[f"V{i}"] for i in '
    show += f"range({len(texts)}))])))"
    command = ReplicaCommand(["python3", "-c", show, *texts], {f"V{i}": text for i, text in enumerate(texts)})
    assert run(command, tmp_path, shell) == 0, read(tmp_path, "stderr.log")
    assert read(tmp_path, "stdout.log").split(b"\0") == [os.fsencode(text) for text in texts * 2]


@pytest.mark.parametrize(
    ("app_id", "env", "port"),
    [
        ("77", {}, "20077"),
        ("1234567", {}, "24567"),
        ("88_1", {}, "20088"),
        ("job-5", {}, "none"),
        ("77", {"TORCHX_RANK0_PORT": "5"}, "5"),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_jobs_of_different_numbers_meet_at_different_ports(
    shell: str, tmp_path: Path, app_id: str, env: dict[str, str], port: str
) -> None:
    command = ReplicaCommand(["sh", "-c", "echo ${TORCHX_RANK0_PORT:-none}"], env)
    script = script_bytes(replica_script(command, logs=str(tmp_path / "logs"), replica="2"))
    (tmp_path / "role.sh").write_bytes(script)
    subprocess.run([shell, str(tmp_path / "role.sh"), app_id, "first-host", "0"], check=True, timeout=60)
    assert read(tmp_path, "stdout.log").decode().strip() == port


@pytest.mark.parametrize("shell", SHELLS)
def test_roles_of_one_job_meet_at_different_ports(shell: str, tmp_path: Path) -> None:
    """And those of the jobs around it, which may have as many."""
    code = ["sh", "-c", "echo $TORCHX_RANK0_PORT"]
    ports = set()
    for role in (0, 1, 2, 9):
        logs = tmp_path / str(role)
        script = replica_script(ReplicaCommand(code, {}), logs=str(logs), replica="0", role=role)
        (tmp_path / "role.sh").write_bytes(script_bytes(script))
        for app_id in ("9998", "9999", "10000", "10007"):
            subprocess.run([shell, str(tmp_path / "role.sh"), app_id, "first-host", "0"], check=True, timeout=60)
        ports |= {int(line) for line in (logs / "0" / "stdout.log").read_text().split()}
    assert len(ports) == 16
    assert all(20_000 <= port < 30_000 for port in ports)


@pytest.mark.parametrize("name", STRANGE_NAMES, ids=ascii)
@pytest.mark.parametrize("shell", SHELLS)
def test_variables_of_any_name_arrive(shell: str, name: str, tmp_path: Path) -> None:
    command = ReplicaCommand(["python3", "-c", f"import os; print(os.environ[{name!r}])"], {name: "va lue"})
    assert run(command, tmp_path, shell) == 0, read(tmp_path, "stderr.log")
    assert read(tmp_path, "stdout.log") == b"va lue\n"
    assert read(tmp_path, "stderr.log") == b""


@pytest.mark.parametrize(
    ("name", "words"),
    [("MY-API-TOKEN", "ASCII letters"), ("a.secret", "ASCII letters"), ("BASH_API_TOKEN", "another name")],
)
def test_secret_that_would_be_shown_on_a_command_line_is_refused(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        replica_script(ReplicaCommand(["true"], {name: "hunter2"}), logs="/logs", replica="0")
    assert "hunter2" not in caught.value.message
    assert words in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["LC_SECRETS", "OPTIMIZER_TOKEN", "EPOCH_SECRET", "COMP_API_KEY", "BASHFUL_PASSWORD"])
@pytest.mark.parametrize("shell", SHELLS)
def test_secret_whose_name_begins_like_a_shell_s_own_is_on_no_command_line(
    name: str, shell: str, tmp_path: Path
) -> None:
    command = ReplicaCommand(["sh", "-c", f'echo "${name}"'], {name: "hunter2"})
    script = replica_script(command, logs="/logs", replica="0")
    assert f"export {name}=hunter2" in script
    assert run(command, tmp_path, shell) == 0
    assert read(tmp_path, "stdout.log") == b"hunter2\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_users_path_needs_no_tools(shell: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "my=program"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    env = {"PATH": str(tmp_path / "bin"), "a.b": "1"}
    assert run(ReplicaCommand(["my=program"], env), tmp_path, shell) == 0, read(tmp_path, "stderr.log")
    assert read(tmp_path, "stdout.log") == b"ran\n"


@pytest.mark.parametrize("program", ["exit", "echo", "cd", "set", "if", ".", "A=b", "-x", "no such", "*"])
@pytest.mark.parametrize("shell", SHELLS)
def test_program_is_never_a_word_of_the_shell(shell: str, program: str, tmp_path: Path) -> None:
    code = run(ReplicaCommand([program, "3"], {}), tmp_path, shell)
    if program == "echo":
        assert (code, read(tmp_path, "stdout.log")) == (0, b"3\n")
    else:
        assert code in (126, 127)


def test_values_of_the_run_are_known(tmp_path: Path) -> None:
    code = 'echo "$1 $2 $ID $TORCHX_RANK0_HOST"; echo "$TORCHELASTIC_ERROR_FILE"'
    command = ReplicaCommand(["sh", "-c", code, "sh", f"id-{APP_ID}", f"{REPLICA}"], {"ID": APP_ID})
    assert run(command, tmp_path) == 0
    assert read(tmp_path, "stdout.log").decode().splitlines() == [
        "id-77 2 77 first-host",
        str(tmp_path / "logs" / "2" / "error.json"),
    ]


def test_replica_notes_its_host_and_its_end(tmp_path: Path) -> None:
    assert run(ReplicaCommand(["sh", "-c", "echo err >&2; exit 3"], {}), tmp_path) == 3
    note = parse_note(read(tmp_path, "state"))
    assert note is not None
    assert (note.attempt, note.host, note.code) == (0, os.uname().nodename, 3)
    assert note.time > 0
    assert (read(tmp_path, "stdout.log"), read(tmp_path, "stderr.log")) == (b"", b"err\n")


def test_files_are_for_the_user_alone(tmp_path: Path) -> None:
    run(ReplicaCommand(["true"], {}), tmp_path)
    assert (tmp_path / "logs" / "2").stat().st_mode & 0o077 == 0


def test_program_that_fails_is_started_again_as_often_as_allowed(tmp_path: Path) -> None:
    assert run(ReplicaCommand(["sh", "-c", "echo try; exit 5"], {}, retries=2), tmp_path) == 5
    assert read(tmp_path, "stdout.log") == b"try\n" * 3
    assert run(ReplicaCommand(["sh", "-c", "echo good"], {}, retries=2), tmp_path) == 0
    assert read(tmp_path, "stdout.log") == b"try\n" * 3 + b"good\n"


def test_working_folder(tmp_path: Path) -> None:
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    assert run(ReplicaCommand(["pwd"], {}, cwd=str(folder)), tmp_path) == 0
    assert read(tmp_path, "stdout.log").decode() == f"{folder}\n"
    assert run(ReplicaCommand(["pwd"], {}, cwd=str(tmp_path / "gone")), tmp_path) == 126
    assert b"gone" in read(tmp_path, "stderr.log")


@pytest.mark.parametrize("shell", SHELLS)
def test_script_outlives_a_signal_that_the_program_survives(shell: str, tmp_path: Path) -> None:
    """As at a preemption: all processes of a replica get the signal, and the program saves its work."""
    program = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: print('saved') or exit(4))\n"
    program += "print('ready', flush=True)\ntime.sleep(60)"
    process = started(ReplicaCommand(["python3", "-c", program], {}), tmp_path, shell)
    log = tmp_path / "logs" / "2" / "stdout.log"
    until(lambda: log.exists() and b"ready" in log.read_bytes(), 30)
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(children) as file:
        program_pid = int(file.read().split()[0])
    process.send_signal(signal.SIGTERM)
    os.kill(program_pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (4, b"")
    assert read(tmp_path, "stdout.log") == b"ready\nsaved\n"
    note = parse_note(read(tmp_path, "state"))
    assert note is not None
    assert note.code == 4


def test_signal_that_kills_the_program_leaves_no_word_in_its_log(tmp_path: Path) -> None:
    assert run(ReplicaCommand(["sh", "-c", "kill -9 $$"], {}), tmp_path) == 137
    assert read(tmp_path, "stderr.log") == b""


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (b"", None),
        (b"start 0 n1 100", None),
        (b"start 0 n1 100\n", ReplicaNote(0, "n1", None, 100)),
        (b"start 0 n1 100\nend 0 0 101\nstart 1 n2 200\n", ReplicaNote(1, "n2", None, 200)),
        (b"start 0 n1 100\nend 0 1", ReplicaNote(0, "n1", None, 100)),
        (b"\xff\xfe x\n\n", None),
    ],
    ids=["empty", "half a line", "running", "again", "half an end", "damaged"],
)
def test_notes_are_read_whole_or_not_at_all(data: bytes, note: ReplicaNote | None) -> None:
    assert parse_note(data) == note


@pytest.mark.parametrize(
    ("notes", "culprit"),
    [
        ({0: (143, 9), 1: (3, 9)}, 1),
        ({0: (3, 8), 1: (4, 7)}, 1),
        ({0: (143, 7, True), 1: (None, 5)}, 1),
        ({0: (0, 7), 1: (137, 9), 2: (137, 8)}, 2),
        ({0: (1, 9, True), 1: (1, 9, True), 2: (3, 9)}, 2),
        ({0: (143, 9, True), 1: (137, 9)}, 1),
        ({0: (143, 9, True), 1: (143, 9)}, 1),
        ({0: (143, 9, True), 1: (143, 8, True)}, 1),
        ({0: (0, 7)}, None),
        ({}, None),
    ],
    ids=[
        "others were ended",
        "the first",
        "lost with its node",
        "all were killed",
        "others obey with an exit code",
        "killed from outside",
        "asked to end from outside",
        "all were ended",
        "none failed",
        "none began",
    ],
)
def test_the_replica_that_failed_is_told_from_those_that_went_down_with_it(
    notes: dict[int, tuple[Any, ...]], culprit: int | None
) -> None:
    from torchx.schedulers.batch.job import BatchJob
    from torchx.specs.api import AppState

    told = {
        ("worker", k): ReplicaNote(0, "n1", code, at, stopped=bool(stopped))
        for k, (code, at, *stopped) in notes.items()
    }
    found = failure(BatchJob("7", AppState.FAILED), {"roles": [{"name": "worker"}]}, told)
    assert (None if found is None else found[1]) == culprit


@pytest.mark.parametrize(
    ("codes", "states"),
    [
        ([3, 143, None, 0], ["FAILED", "CANCELLED", "CANCELLED", "SUCCEEDED"]),
        ([143, 137], ["FAILED", "FAILED"]),
        ([3, 4], ["FAILED", "FAILED"]),
    ],
    ids=["one by itself", "all were killed", "both by themselves"],
)
def test_replicas_that_went_down_with_another_are_cancelled(codes: list[int | None], states: list[str]) -> None:
    from torchx.schedulers.batch.job import BatchJob
    from torchx.specs.api import AppState

    told = {("worker", k): ReplicaNote(0, "n1", code, 100, stopped=code in (143, 137)) for k, code in enumerate(codes)}
    record = {"roles": [{"name": "worker", "spec": {"num_replicas": len(codes)}}]}
    (status,) = role_statuses(BatchJob("7", AppState.FAILED), record, told, None)
    assert [replica.state.name for replica in status.replicas] == states
    failed = [replica for replica in status.replicas if replica.state is AppState.FAILED]
    assert [r.structured_error_msg for r in failed] == [ended_text(codes[r.id]) for r in failed]


def test_replicas_on_healthy_nodes_went_down_with_one_whose_node_failed() -> None:
    from torchx.schedulers.batch.job import BatchJob
    from torchx.specs.api import AppState

    told = {
        ("worker", 0): ReplicaNote(0, "n1", 143, 100, stopped=True),
        ("worker", 1): ReplicaNote(0, "n2", None, 90),
        ("worker", 2): ReplicaNote(0, "n1", None, 90),
    }
    record = {"roles": [{"name": "worker", "spec": {"num_replicas": 3}}]}
    (status,) = role_statuses(BatchJob("7", AppState.FAILED, failed_nodes=("n2",)), record, told, None)
    assert [replica.state.name for replica in status.replicas] == ["CANCELLED", "FAILED", "CANCELLED"]


def test_replica_that_noted_a_failure_has_failed_whatever_becomes_of_the_job() -> None:
    from torchx.schedulers.batch.job import BatchJob
    from torchx.specs.api import AppState

    told = {("worker", k): ReplicaNote(0, "n1", code, 100) for k, code in enumerate([0, 3, None])}
    record = {"roles": [{"name": "worker", "spec": {"num_replicas": 3}}]}
    (status,) = role_statuses(BatchJob("7", AppState.SUCCEEDED, restarts=0), record, told, None)
    assert [replica.state.name for replica in status.replicas] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077], ids=oct)
@pytest.mark.parametrize("shell", SHELLS)
def test_program_has_the_user_s_umask(shell: str, mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        run(ReplicaCommand(["sh", "-c", "umask"], {}), tmp_path, shell)
    finally:
        os.umask(before)
    assert int(read(tmp_path, "stdout.log"), 8) == mask
    for name in ("stdout.log", "stderr.log", "state"):
        assert (tmp_path / "logs" / "2" / name).stat().st_mode & 0o777 == 0o600
