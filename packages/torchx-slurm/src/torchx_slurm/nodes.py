"""The cluster and its nodes, as far as they are known without asking Slurm."""

from __future__ import annotations

import os
import re

CONFIGURATIONS = ("/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf", "/run/slurm/conf/slurm.conf")
"""Where Slurm's commands look for their configuration without ``SLURM_CONF``; the last is where they keep one that
they fetched (https://slurm.schedmd.com/configless_slurm.html)."""

_NAME = re.compile(r"^\s*ClusterName\s*=\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_LIST = re.compile(r"([^\[\],]+)(?:\[([^\]]*)\])?([^\[\],]*)(?:,|$)")

_MOST = 10_000
"""So many nodes of a list are told apart at most."""


def cluster_name() -> str:
    """The name in the configuration of Slurm's commands on this machine.

    Returns:
        The name; the path of the configuration where it has none; empty where there is no configuration to be read.
    """
    path = os.environ.get("SLURM_CONF") or next(filter(os.path.exists, CONFIGURATIONS), "")
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = _NAME.search(file.read())
    except OSError:
        return path
    return found[1] if found else path


def is_several(nodes: str) -> bool:
    """Whether a list of nodes names more than one.

    >>> is_several("n4"), is_several("n[1-2]"), is_several("n1,n3")
    (False, True, True)
    """
    return "," in nodes or "[" in nodes


def expanded(nodes: str) -> list[str]:
    """The nodes of a list as Slurm writes it.

    >>> expanded("n[1-2,07-08],login")
    ['n1', 'n2', 'n07', 'n08', 'login']
    """
    names = []
    for before, ranges, after in _LIST.findall(nodes):
        for number in _numbers(ranges) if ranges else [""]:
            names.append(f"{before}{number}{after}")
            if len(names) >= _MOST:
                return names
    return names


def _numbers(ranges: str) -> list[str]:
    numbers = []
    for each in ranges.split(","):
        first, _, last = each.partition("-")
        if first.isdigit() and last.isdigit():
            numbers += [str(n).zfill(len(first)) for n in range(int(first), min(int(last), int(first) + _MOST) + 1)]
        else:
            numbers.append(each)
    return numbers
