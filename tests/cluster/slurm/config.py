"""The configuration files of the Slurm cluster that the tests start: four nodes on one host."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

#: The memory controller of the kernel's control groups, version 1.
MEMORY_GROUPS = Path("/sys/fs/cgroup/memory")
#: Names of the nodes. Each has a host name and an address of its own, as on a real cluster.
NODES = ("n1", "n2", "n3", "n4")
#: What each node claims to have; far more than this host, on which nothing is measured.
NODE_CPUS, NODE_MEMORY_MB, NODE_GPUS = 16, 8000, 2
#: The default one, whose jobs drive those of the others out of their nodes, which are queued again or cancelled.
PARTITIONS = ("batch", "requeued", "cancelled")
#: Seconds until Slurm gives up on a node that does not answer.
NODE_TIMEOUT = 10
#: Seconds after its end for which slurmctld still knows a job.
JOB_AGE = 10
#: Debian's user without rights: another user of the cluster.
OTHER_USER = "nobody"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """TCP ports of the daemons."""

    slurmctld: int
    slurmdbd: int
    slurmd: tuple[int, ...]


def free_ports() -> Ports:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(2 + len(NODES))]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
    return Ports(slurmctld=ports[0], slurmdbd=ports[1], slurmd=tuple(ports[2:]))


def node_address(node: str) -> str:
    """The address of a node, on the loopback interface."""
    return f"127.0.0.{11 + NODES.index(node)}"


def limits_memory() -> bool:
    """Whether the kernel can limit a job's memory, so that Slurm sees that it ran out of it.

    Several nodes on one host work with the first version of control groups only. Elsewhere slurmd itself kills a job
    that is too large, and Slurm tells no reason.
    """
    return (MEMORY_GROUPS / "memory.limit_in_bytes").exists() and os.access(MEMORY_GROUPS, os.W_OK)


def write_configuration(home: Path, ports: Ports, *, accounting: bool, name: str = "torchx") -> None:
    """Writes all files below the cluster's folder, and makes the folders that the daemons want.

    Args:
        home: the folder.
        ports: of the daemons.
        accounting: whether there is an accounting daemon.
        name: the cluster's name.
    """
    for folder in ("ctld", "db", "log", *(f"spool/{node}" for node in NODES)):
        (home / folder).mkdir(parents=True)
    # munged refuses a key that others could read.
    (home / "munge").mkdir(mode=0o755)
    (home / "munge" / "key").touch(0o400)
    (home / "munge" / "key").write_bytes(os.urandom(1024))
    (home / "hosts").write_text(_hosts())
    for number in range(NODE_GPUS):
        # Slurm wants a device; this one is a second /dev/null.
        os.mknod(home / f"gpu{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (home / "slurm.conf").write_text(_slurm(home, ports, accounting=accounting, name=name))
    (home / "gres.conf").write_text(f"NodeName={','.join(NODES)} Name=gpu File={home}/gpu[0-{NODE_GPUS - 1}]\n")
    (home / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nConstrainRAMSpace=yes\nAllowedSwapSpace=0\n")
    # slurmdbd refuses a file that others could read: the database's password would be there.
    (home / "slurmdbd.conf").touch(0o600)
    (home / "slurmdbd.conf").write_text(_slurmdbd(home, ports))
    (home / "my.cnf").write_text(_mariadb(home))


def _hosts() -> str:
    nodes = "".join(f"{node_address(node)} {node}\n" for node in NODES)
    return f"127.0.0.1 localhost {socket.gethostname()}\n{nodes}"


def _accounting(home: Path, ports: Ports) -> str:
    return f"""\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports.slurmdbd}
AccountingStoragePass={home}/munge/socket
AccountingStorageEnforce=associations,qos
AccountingStorageTRES=gres/gpu
"""


def _slurm(home: Path, ports: Ports, *, accounting: bool, name: str) -> str:
    nodes = "".join(
        f"NodeName={node} NodeHostname={node} NodeAddr={node_address(node)} Port={port} CPUs={NODE_CPUS} "
        f"RealMemory={NODE_MEMORY_MB} Gres=gpu:{NODE_GPUS} Feature={'fast' if node in NODES[2:] else 'slow'}\n"
        for node, port in zip(NODES, ports.slurmd, strict=True)
    )
    return f"""\
ClusterName={name}
SlurmctldHost={socket.gethostname().split(".")[0]}(127.0.0.1)
SlurmctldPort={ports.slurmctld}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
CredType=cred/munge
StateSaveLocation={home}/ctld
SlurmdSpoolDir={home}/spool/%n
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd-%n.pid
SlurmctldLogFile={home}/log/slurmctld
SlurmdLogFile={home}/log/slurmd-%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin={"task/cgroup" if limits_memory() else "task/none"}
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
GresTypes=gpu
ReturnToService=2
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
{"" if limits_memory() else "JobAcctGatherParams=OverMemoryKill"}
{_accounting(home, ports) if accounting else "AccountingStorageType=accounting_storage/none"}
JobCompType=jobcomp/none
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
SlurmctldTimeout=30
SlurmdTimeout={NODE_TIMEOUT}
InactiveLimit=0
KillWait=2
MinJobAge={JOB_AGE}
MessageTimeout=4
OverTimeLimit=0
DebugFlags=NO_CONF_HASH
{nodes}PartitionName=batch Nodes=ALL Default=YES State=UP PriorityTier=10
PartitionName=requeued Nodes=ALL State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=cancelled Nodes=ALL State=UP PriorityTier=1 PreemptMode=CANCEL
"""


def set_first_job(home: Path, number: int) -> None:
    """Has the controller number jobs from here on, once it is started.

    One that was killed has forgotten its last jobs, and would give their ids to others. The nodes remember them, and
    refuse to run what they take for a job that has ended.
    """
    conf = home / "slurm.conf"
    lines = [line for line in conf.read_text().splitlines() if not line.startswith("FirstJobId=")]
    conf.write_text("\n".join([f"FirstJobId={number}", *lines, ""]))


def _slurmdbd(home: Path, ports: Ports) -> str:
    return f"""\
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={ports.slurmdbd}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
PidFile={home}/slurmdbd.pid
LogFile={home}/log/slurmdbd
StorageType=accounting_storage/mysql
# The client library reads its socket from `MYSQL_UNIX_PORT`.
StorageHost=localhost
StorageUser=root
StoragePass=none
StorageLoc=slurm
CommitDelay=1
"""


def _mariadb(home: Path) -> str:
    return f"""\
[mariadbd]
datadir={home}/db/data
tmpdir={home}/db
socket={home}/db/socket
pid-file={home}/db/pid
log-error={home}/log/mariadbd
skip-networking
skip-grant-tables
user=root
innodb_buffer_pool_size=64M
innodb_log_file_size=16M
innodb_flush_log_at_trx_commit=0
innodb_doublewrite=OFF
innodb_lock_wait_timeout=900
skip-log-bin
performance_schema=OFF
"""
