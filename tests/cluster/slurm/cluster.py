"""A Slurm cluster of our own on this host: four nodes, accounting and all, each daemon a process that can be killed.

A node is a host of its own as far as programs can see: it has its own host name, and its own address on the loopback
interface, which the others find by that name.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.slurm.config import (
    MEMORY_GROUPS,
    NODES,
    OTHER_USER,
    PARTITIONS,
    free_ports,
    limits_memory,
    set_first_job,
    write_configuration,
)
from tests.cluster.slurm.process_trees import kill_tree, marked
from torchx.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SETUP = Path(__file__).parents[3] / ".ci" / "cluster-setup"
#: Daemons live here too, and a user's PATH may lack it.
PATH = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "sbatch", "sacct", "munged", "mariadbd", "mariadb-install-db", "sshd")
#: Seconds.
START_LIMIT, STOP_LIMIT, COMMAND_LIMIT, SAVE_LIMIT = 60, 20, 60, 30
#: The name of this variable marks all processes of the cluster. Its value is the cluster's folder.
MARK = "TORCHX_TEST_SLURM_CLUSTER"
#: States of nodes that take jobs.
READY = {"idle", "mixed", "allocated", "completing"}
#: So many jobs a controller gets until it is killed.
JOBS_OF_A_CONTROLLER = 1000
ACCOUNTS = ("physics", "chemistry")
QOS = ("high", "low")


class ClusterError(Exception):
    """The cluster can't be started, or one of its commands failed."""


class SlurmCluster:
    """The daemons of a cluster.

    Args:
        home: an empty folder for everything that they write, readable by all users. Its path must be short.
        accounting: whether there is an accounting daemon.
        name: the cluster's name.
    """

    def __init__(self, home: Path, *, accounting: bool = True, name: str = "torchx") -> None:
        self.home = home
        self._accounting = accounting
        self._name = name
        self._controllers = 0
        self.conf = home / "slurm.conf"
        #: A file system with room for 256 KiB.
        self.small_disk = home / "small"
        self._group = MEMORY_GROUPS / f"torchx-{home.name}"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def env(self) -> dict[str, str]:
        """The environment in which Slurm's commands find this cluster."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "SQUEUE"))}
        return {**env, "PATH": PATH, "SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Starts everything, and returns when jobs can run.

        Raises:
            ClusterError: a daemon does not start, or does not answer in time.
        """
        write_configuration(self.home, free_ports(), accounting=self._accounting, name=self._name)
        if limits_memory():
            self._group.mkdir()
        # Before the nodes begin: they do not see what is mounted later.
        self.small_disk.mkdir()
        self._run("mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", str(self.small_disk))
        self._daemon("munged", *self._munged())
        if self._accounting:
            self._start_accounting()
        self._await_file("munged", self.home / "munge" / "socket")
        self.start_slurmctld()
        for node in NODES:
            self.start_node(node)
        self.await_nodes()

    def repair(self) -> None:
        """Starts again what has been killed."""
        if self._accounting and not self.is_running("slurmdbd"):
            self.start_slurmdbd()
            self._await_accounting()
        if not self.is_running("slurmctld"):
            self.start_slurmctld()
        for node in NODES:
            if not self.is_running(_slurmd(node)):
                self.start_node(node)
        if set(self.node_states().values()) - READY:
            # Nodes are drained when the controller was lost while it started a job there.
            with contextlib.suppress(ClusterError):  # those that only do not answer yet
                self.command("scontrol", "update", f"NodeName={','.join(NODES)}", "State=RESUME")
            self.await_nodes()

    def stop(self) -> None:
        """Ends all jobs and all daemons."""
        if self.is_running("slurmctld"):
            with contextlib.suppress(ClusterError, AssertionError):
                self.cancel_all()
        for name in [*(_slurmd(node) for node in NODES), "slurmctld", "slurmdbd", "mariadbd", "munged"]:
            self.kill(name, signal.SIGTERM)
        for pid in self._marked():  # the shepherds of running jobs, which outlive slurmd
            kill_tree(pid)
        _remove_groups(self._group)
        if os.path.ismount(self.small_disk):
            self._run("umount", "--lazy", str(self.small_disk))

    def cancel_all(self) -> None:
        """Ends all jobs of all users; returns when they are gone.

        Raises:
            ClusterError: they are not in time.
        """
        # Without a filter scancel does nothing.
        for partition in PARTITIONS:
            self.command("scancel", f"--partition={partition}")
        until(lambda: not self.command("squeue", "--noheader"), STOP_LIMIT, "the end of all jobs")

    def command(self, *command: str, user: str | None = None, env: dict[str, str] | None = None) -> str:
        """Runs one of Slurm's commands; returns what it prints.

        Args:
            command: the program and its arguments.
            user: who runs it; root by default.
            env: variables beside the cluster's own.

        Raises:
            ClusterError: it failed.
        """
        if user is not None:
            group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
            command = ("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *command)
        return self._run(*command, env=env)

    def start_slurmdbd(self) -> None:
        """Starts the accounting daemon."""
        env = {"MYSQL_UNIX_PORT": f"{self.home}/db/socket"}
        self._daemon("slurmdbd", "slurmdbd", "-D", env=env)

    def start_slurmctld(self, first_job: int | None = None) -> None:
        """Starts the controller; returns when it answers.

        Args:
            first_job: the number of its next job, if no job has had it before; None: one that no job has had.
        """
        self._controllers += 1
        set_first_job(self.home, first_job or JOBS_OF_A_CONTROLLER * (self._controllers - 1) + 1)
        self._daemon("slurmctld", "slurmctld", "-D", "-f", str(self.conf))
        self._await("slurmctld", lambda: self._answers("scontrol", "ping"))

    def start_node(self, node: str) -> None:
        """Starts a node; returns at once."""
        setup = 'hostname "$1" && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"'
        # Two clusters on one host would put jobs of equal ids into one group.
        limits = ("sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh", self._group, MEMORY_GROUPS)
        slurmd = ("slurmd", "-D", "-N", node, "-f", str(self.conf))
        self._daemon(
            _slurmd(node),
            *("unshare", "--uts", "--mount", "sh", "-c", setup, "sh", node, f"{self.home}/hosts"),
            *(map(str, limits) if limits_memory() else ()),
            *slurmd,
        )

    def await_nodes(self) -> None:
        """Waits until all nodes take jobs.

        Raises:
            ClusterError: one of them does not.
        """
        self._await("slurmctld", lambda: not set(self.node_states().values()) - READY)

    def node_states(self) -> dict[str, str]:
        """The state of each node as `sinfo` prints it."""
        words = self.command("sinfo", "--Node", "--noheader", "--format=%N %T").split()
        return dict(zip(words[::2], words[1::2], strict=True))

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends a daemon: ``slurmctld``, ``slurmdbd``, ``mariadbd``, ``munged`` or ``slurmd-<node>``.

        Does nothing if it has ended.
        """
        daemon = self._daemons.pop(name, None)
        if daemon is None:
            return
        daemon.send_signal(number)
        try:
            daemon.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def kill_node(self, node: str) -> None:
        """Ends a node as a power cut does: slurmd and everything that it started."""
        self.kill(_slurmd(node))
        for pid in self._marked(_slurmd(node)):
            kill_tree(pid)

    def await_saved(self) -> None:
        """Waits until the controller has written down what it knows, which it does every few seconds.

        What it has not written down is lost when it is killed.
        """
        state, now = self.home / "ctld" / "job_state", time.time()
        until(lambda: state.exists() and state.stat().st_mtime > now, SAVE_LIMIT, "the controller's state on disk")

    def is_running(self, name: str) -> bool:
        """Whether a daemon runs."""
        return name in self._daemons and self._daemons[name].poll() is None

    def log(self, name: str) -> str:
        """What a daemon has written."""
        return "".join(
            path.read_text(errors="replace")
            for path in (self.home / "log" / f"{name}.out", self.home / "log" / name)
            if path.exists()
        )

    def _munged(self) -> list[str]:
        home = self.home / "munge"
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        return [
            "munged",
            "--foreground",
            "--num-threads=2",
            *(f"--{name}={home}/{file}" for name, file in files.items()),
        ]

    def _daemon(self, name: str, *command: str, env: dict[str, str] | None = None) -> None:
        with (self.home / "log" / f"{name}.out").open("ab") as out:
            self._daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command],  # it ends with the tests, however these end
                env={**self.env, **(env or {}), MARK: f"{self.home}/{name}"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.home,
                start_new_session=True,  # a Ctrl-C ends the tests first
            )

    def _run(self, *command: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            command,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT,
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _answers(self, *command: str) -> bool:
        try:
            self._run(*command)
        except ClusterError:
            return False
        return True

    def _await_accounting(self) -> None:
        self._await("slurmdbd", lambda: self._answers("sacctmgr", "--noheader", "list", "cluster"))

    def _start_accounting(self) -> None:
        files = f"--defaults-file={self.home}/my.cnf"
        self._run("mariadb-install-db", files, "--skip-test-db", "--skip-name-resolve")
        self._daemon("mariadbd", "mariadbd", files)
        self._await_file("munged", self.home / "munge" / "socket")
        self._await_file("mariadbd", self.home / "db" / "socket")
        self.start_slurmdbd()
        self._await_accounting()
        self._fill_accounting()

    def _fill_accounting(self) -> None:
        """Accounts and qualities of service that a user can name, and others that exist but are not the user's."""
        # slurmctld adds the cluster itself when it first registers; accounts want it before.
        manage = ("sacctmgr", "--immediate", "--quiet")
        self._run(*manage, "add", "cluster", self._name)
        self._run(*manage, "add", "qos", ",".join(QOS))
        self._run(*manage, "add", "account", ",".join(ACCOUNTS), f"cluster={self._name}")
        allowed = f"qos=normal,{','.join(QOS)}"
        self._run(*manage, "add", "user", f"root,{OTHER_USER}", f"account={ACCOUNTS[0]}", allowed, "defaultqos=normal")
        self._run(*manage, "modify", "user", "root", "set", f"defaultaccount={ACCOUNTS[0]}")

    def _await_file(self, name: str, path: Path) -> None:
        self._await(name, path.exists)

    def _await(self, name: str, look: Callable[[], object]) -> None:
        limit = time.monotonic() + START_LIMIT
        while not look():
            if not self.is_running(name) or time.monotonic() > limit:
                what = "does not answer" if self.is_running(name) else f"ended: {self._daemons[name].poll()}"
                raise ClusterError(f"{name} {what}; it must be run by root:\n{self.log(name)[-4000:]}")
            time.sleep(0.05)

    def _marked(self, daemon: str = "") -> list[int]:
        """Processes that the daemons, or one of them, left behind."""
        return marked(MARK, f"{self.home}/{daemon}")


@contextlib.contextmanager
def running_cluster(*, accounting: bool = True, name: str = "torchx") -> Iterator[SlurmCluster]:
    """A cluster that shares nothing with any other on this machine; it is stopped at the end.

    Args:
        accounting: whether it has an accounting daemon.
        name: its name.

    Raises:
        ClusterError: it does not start.
    """
    # Not in pytest's folder: a socket's path is short, and other users come in.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        os.chmod(folder, 0o755)
        cluster = SlurmCluster(Path(folder), accounting=accounting, name=name)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def install_slurm() -> None:
    """Installs the daemons, if one is missing.

    Raises:
        ClusterError: they can't be installed.
    """
    if all(shutil.which(program, path=PATH) for program in PROGRAMS):
        return
    done = subprocess.run([str(SETUP), "slurm"], capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        raise ClusterError(f"`{SETUP} slurm` failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def _slurmd(node: str) -> str:
    return f"slurmd-{node}"


def _remove_groups(group: Path) -> None:
    """Removes a control group with those below it; groups with processes stay."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
