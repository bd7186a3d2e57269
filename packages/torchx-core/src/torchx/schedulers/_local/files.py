"""The names of the files in a local job's folder."""

from __future__ import annotations

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
