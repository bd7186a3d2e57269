"""Commands here and on a login node; ``ssh`` is a program that does what ssh does, on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from torchx.errors import TransientError
from torchx.schedulers.batch.commands import (
    CommandMissingError,
    Commands,
    CommandTimeoutError,
    HiddenEnv,
    LocalCommands,
    LoginNodeUnreachableError,
    SshCommands,
    all_within,
)
from torchx.schedulers.batch.jobfiles import JobFiles, JobFilesError, LocalJobFiles, RemoteJobFiles
from torchx.schedulers.batch.logs import RemoteLogs
from torchx.schedulers.batch.request import JOBS_FOLDER
from torchx.schedulers.logs import follow
from torchx.testing import HOSTILE_TEXTS, NOT_UNICODE
from torchx.testing.waiting import until

# The options stand before `--`; host and command behind it. As sshd does: the user's shell runs the one string.
SSH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
if [ "$2" != login ]; then echo "ssh: connect to host $2 port 22: Connection refused" >&2; exit 255; fi
cd "$HOME" && echo "$3" >>"$SSH_LOG" && exec sh -c "$3"
"""


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes the login node ``login``; returns the file that its command lines are written to."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(SSH)
    (folder / "ssh").chmod(0o755)
    home = tmp_path / "remote home"
    home.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SSH_LOG", str(tmp_path / "ssh.log"))
    return tmp_path / "ssh.log"


@pytest.fixture(params=["here", "login"])
def commands(request: pytest.FixtureRequest) -> Commands:
    if request.param == "here":
        return LocalCommands()
    request.getfixturevalue("ssh")
    return SshCommands("login")


SHOW = "import os, sys; os.write(1, b'\\0'.join(map(os.fsencode, sys.argv[1:])))"


def test_arguments_and_input_arrive_byte_for_byte(commands: Commands) -> None:
    texts = [*HOSTILE_TEXTS, *NOT_UNICODE]
    result = commands.run([sys.executable, "-c", SHOW, *texts])
    assert result.stdout.split(b"\0") == [os.fsencode(text) for text in texts]
    assert commands.run(["cat"], stdin=bytes(range(256))).stdout == bytes(range(256))


def test_hidden_variables_are_not_seen(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BATCH_A", "BATCH_B", "BATCH_KEPT", "OTHER"):
        monkeypatch.setenv(name, "x y\nBATCH_ x=1\n*")
    show = [
        sys.executable,
        "-c",
        "import os; print(*sorted({*os.environ} & {*'BATCH_A BATCH_B BATCH_KEPT OTHER'.split()}))",
    ]
    hidden = HiddenEnv(("BATCH_*", "NONE"), but=("BATCH_KEPT", "X_*"))
    assert commands.run(show, hidden=hidden).text.split() == ["BATCH_KEPT", "OTHER"]
    assert commands.run(show).text.split() == ["BATCH_A", "BATCH_B", "BATCH_KEPT", "OTHER"]
    with pytest.raises(CommandMissingError, match="no_such_program"):
        commands.run(["no_such_program"], hidden=hidden)


@pytest.mark.parametrize("above", [".", "new folder"])
def test_job_dir_can_be_shared_by_users(files: JobFiles, tmp_path: Path, above: str) -> None:
    """Each job's folder is its owner's; the one that they are in is everybody's."""
    shared = tmp_path / above / JOBS_FOLDER
    for key in ("one", "two"):
        folder = Path(files.make(str(shared / key)))
        assert folder.stat().st_mode & 0o7777 == 0o700
        assert shared.stat().st_mode & 0o7777 == 0o1777


def test_failure_is_a_result(commands: Commands) -> None:
    result = commands.run(["sh", "-c", "echo out; echo ' problem ' >&2; exit 3"])
    assert (result.returncode, result.text, result.stderr) == (3, "out\n", "problem")


def test_missing_program_is_one_line_with_the_fix(commands: Commands) -> None:
    with pytest.raises(CommandMissingError, match="no_such_program") as caught:
        commands.run(["no_such_program", "x"])
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_command_that_hangs_is_given_up(commands: Commands) -> None:
    began = time.monotonic()
    with pytest.raises(CommandTimeoutError):
        commands.run(["sleep", "60"], timeout=0.5)
    assert time.monotonic() - began < 10


STUBBORN = """trap '' INT TERM HUP
sleep 300 &
echo $! >"$1.new"
mv "$1.new" "$1"
wait
sleep 300
"""


def process_is_gone(note: Path) -> None:
    """Waits until the process whose id a file holds has ended, for 10 s at most."""
    pid = int(note.read_text())
    until(lambda: not is_running(pid), 10, f"the end of process {pid}")


def is_running(pid: int) -> bool:
    """Whether there is such a process, and not only its exit status for a parent that does not ask for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("ends", ["wait", "exit"], ids=["parent waits", "parent has ended"])
def test_command_that_hangs_leaves_no_child_behind(commands: Commands, tmp_path: Path, ends: str) -> None:
    code = STUBBORN.replace("wait\n", f"{ends}\n")
    with pytest.raises(CommandTimeoutError, match=r"^`sh( on login)?` did not end within 2 s$"):
        commands.run(["sh", "-c", code, "sh", str(tmp_path / "pid")], timeout=2)
    process_is_gone(tmp_path / "pid")


INTERRUPTED = """
import sys
from torchx.schedulers.batch.commands import LocalCommands

try:
    LocalCommands().run(["sh", "-c", *sys.argv[1:]])
except KeyboardInterrupt:
    print("interrupted")
"""


def test_interrupted_command_leaves_no_child_behind(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    argv = [sys.executable, "-c", INTERRUPTED, STUBBORN, "sh", str(note)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as caller:
        until(note.exists, 60, "its start")
        caller.send_signal(signal.SIGINT)
        assert caller.communicate(timeout=60)[0] == "interrupted\n"
    process_is_gone(note)


def test_program_that_a_shell_runs_is_named(commands: Commands) -> None:
    with pytest.raises(CommandTimeoutError, match=r"^`squeue( on login)?` did not end within 0.5 s$"):
        commands.run(["sh", "-c", "exec sleep 60"], timeout=0.5, name="squeue")
    with all_within(0), pytest.raises(CommandTimeoutError, match="no time is left for `squeue`"):
        commands.run(["sh", "-c", ":"], name="squeue")


@pytest.mark.usefixtures("ssh")
def test_login_node_that_is_away_is_a_transient_error() -> None:
    with pytest.raises(LoginNodeUnreachableError, match="Connection refused") as caught:
        SshCommands("elsewhere").run(["true"])
    assert isinstance(caught.value, TransientError)
    assert caught.value.hint == "try `ssh elsewhere true`; it must work without a password prompt"


@pytest.fixture
def files(commands: Commands) -> JobFiles:
    return RemoteJobFiles(commands) if commands.host else LocalJobFiles()


def test_files_are_written_read_and_removed(files: JobFiles, tmp_path: Path) -> None:
    folder = files.make(str(tmp_path / "a b" / "it's"))
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    content = {"one": bytes(range(256)), "two words": b"", "role-0.sh": b"x" * 100_000}
    files.write(folder, content)
    assert {path.name: path.read_bytes() for path in Path(folder).iterdir()} == content
    assert {path.stat().st_mode & 0o777 for path in Path(folder).iterdir()} == {0o600}
    (Path(folder) / "sub").mkdir()
    (Path(folder) / "sub" / "state").write_bytes(b"note\n")
    assert files.read(folder, ["one", "sub/state", "nothing"]) == {"one": content["one"], "sub/state": b"note\n"}
    assert files.read(str(tmp_path / "nothing"), ["one"]) == {}
    files.remove(folder)
    files.remove(folder)
    assert not Path(folder).exists()


@pytest.mark.usefixtures("ssh")
def test_home_is_that_of_the_machine(files: JobFiles) -> None:
    folder = files.make("~/.torchx/jobs/x")
    assert folder == os.path.expanduser("~/.torchx/jobs/x")
    assert os.path.isdir(folder)


def test_folder_that_cannot_be_written_is_one_error(files: JobFiles, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JobFilesError) as caught:
        files.make(str(tmp_path / "file" / "x"))
    assert caught.value.hint


def test_logs_of_a_login_node_are_read_with_one_command_for_all(ssh: Path, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"it's {n}.log") for n in range(20)]
    for n, path in enumerate(paths[:-1]):
        Path(path).write_bytes(f"line of {n} äöü\n".encode() * 50)
    logs = RemoteLogs(SshCommands("login"))
    sources = {path: logs.source(path, lambda: True) for path in paths}
    lines = dict.fromkeys(paths, b"")
    for path, block in follow(sources, should_tail=False):
        lines[path] += block
    assert [lines[path] for path in paths[:-1]] == [Path(path).read_bytes() for path in paths[:-1]]
    assert lines[paths[-1]] == b""
    assert ssh.read_text().count("sh -c ") <= 4


@pytest.mark.usefixtures("ssh")
def test_log_that_grows_on_a_login_node_is_followed_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntw")
    ended = False
    logs = RemoteLogs(SshCommands("login"))
    found = follow({"x": logs.source(str(path), lambda: ended)}, should_tail=True)
    assert next(found) == ("x", b"one\n")
    with path.open("ab") as file:
        file.write(b"o\nlast")
    ended = True
    assert [*found] == [("x", b"two\n"), ("x", b"last")]
