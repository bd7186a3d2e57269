"""The names of the files in a local job's folder, and who may enter it."""

from __future__ import annotations

import os

REQUEST_FILE = "request.json"
"""What was submitted; written once."""

STATE_FILE = "state.json"
"""What has become of it; replaced as a whole at every change."""

CANCEL_FILE = "cancel"
"""Exists when somebody wants the job to end."""

PULSE_FILE = "pulse"
"""Eight bytes that change with every output and every change of state."""

SUPERVISOR_LOG = "supervisor.log"
"""What went wrong inside the supervisor itself."""

STDOUT_LOG = "stdout.log"
STDERR_LOG = "stderr.log"
COMBINED_LOG = "combined.log"
"""The logs of one replica, in its own folder."""

DRAFT_PREFIX = ".new-"
"""Begins the name of a job's folder while it is made."""

GONE_PREFIX = ".gone-"
"""Begins the name of a job's folder while it is removed."""

TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
"""States that a job or replica does not leave any more."""

TOKEN_VARIABLE = "TORCHX_LOCAL_TOKEN"
"""Environment variable that marks every process of a job."""

REPLICA_VARIABLE = "TORCHX_LOCAL_REPLICA"
"""Environment variable that marks every process of one replica: its place among all replicas of the job."""

PORT_VARIABLE = "TORCHX_RANK0_PORT"
"""Environment variable with the port at which the replicas of a job may meet, a free one for each job."""


def make_private(path: str) -> None:
    """Makes a folder, and those above it that are missing, all of them for their owner alone; it may exist already.

    Raises:
        OSError: it cannot be made.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    except FileNotFoundError:
        above = os.path.dirname(path)
        if above in ("", path):
            raise
        # Somebody else may make the same folders at the same time.
        if not os.path.isdir(above):
            make_private(above)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            if not os.path.isdir(path):
                raise
