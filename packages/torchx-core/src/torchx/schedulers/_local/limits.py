"""What the system lets a job have: open files, and a port of its own."""

from __future__ import annotations

import os
import resource

FILES_PER_REPLICA = 8
"""Open files that the supervisor may need for a replica: both ends of two pipes, three logs, and their index."""

_OTHER_FILES = 64
_PORTS = range(20000, 30000)  # below those that the kernel gives to outgoing connections


def most_files() -> int:
    """How many files the supervisor may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return hard if hard != resource.RLIM_INFINITY else max(soft, 65536)


def most_replicas() -> int:
    """How many replicas a job of this machine may have."""
    return max(1, (most_files() - _OTHER_FILES) // FILES_PER_REPLICA)


def raise_file_limit() -> None:
    """Lets this process open as many files as it may."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most_files(), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    except (OSError, ValueError):  # macOS refuses more than kern.maxfilesperproc
        return


def free_port() -> int:
    """A port that nobody listens at, chosen at random so that jobs that start at once do not choose the same."""
    import _socket  # the module ``socket`` brings ``enum`` and ``selectors``: too slow for the start of a job

    first = int.from_bytes(os.urandom(4), "little")
    for i in range(len(_PORTS)):
        port = _PORTS[(first + i) % len(_PORTS)]
        try:
            # An IPv6 socket listens at the IPv4 port too.
            probe = _socket.socket(_socket.AF_INET6, _socket.SOCK_STREAM)
        except OSError:
            probe = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        try:
            probe.bind(("", port))
        except OSError:
            continue
        finally:
            probe.close()
        return port
    return _PORTS[0]
