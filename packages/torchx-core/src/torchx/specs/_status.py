"""States of jobs and replicas, and how a status is told to a reader."""

from __future__ import annotations

from enum import Enum

from torchx.errors import TorchXError
from torchx.specs._types import NONE
from torchx.util.light_dataclass import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AppState(int, Enum):
    """State of a job. Members compare in the order of a job's life."""

    UNSUBMITTED = 0
    """Not yet submitted."""
    SUBMITTED = 1
    """The scheduler has it."""
    PENDING = 2
    """Waits for its resources."""
    RUNNING = 3
    """Runs."""
    SUCCEEDED = 4
    """Ended well. Terminal."""
    FAILED = 5
    """Ended badly. Terminal."""
    CANCELLED = 6
    """Cancelled before its end. Terminal."""
    UNKNOWN = 7
    """The state cannot be told, e.g. because the scheduler cannot be reached. Not terminal."""

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"{self.name} ({self.value})"

    def __format__(self, spec: str) -> str:
        # What an int enum does here differs between Python versions.
        return format(self.name, spec)


ReplicaState = AppState
"""State of one replica: the same states as a job's."""

_TERMINAL = frozenset({AppState.SUCCEEDED, AppState.FAILED, AppState.CANCELLED})


def is_terminal(state: AppState) -> bool:
    """Whether a job in that state has ended for good."""
    return state in _TERMINAL


def is_started(state: AppState) -> bool:
    """Whether a job in that state has begun to run, or has run."""
    return state is AppState.RUNNING or state in _TERMINAL


_TOLD = ("structured_error_msg",)
"""What a program says of itself; anything may stand there."""


@dataclass
class ReplicaStatus:
    """Status of one replica.

    Args:
        id: index of the replica in its role, from 0.
        state: its state.
        role: name of its role.
        hostname: name of the host it runs on; empty where not known.
        structured_error_msg: the error that the replica reported, as JSON or plain text.
        hostaddr: address of the host.
    """

    id: int
    state: AppState
    role: str
    hostname: str
    structured_error_msg: str = NONE
    hostaddr: str | None = None

    def __repr__(self) -> str:
        """As of any dataclass, with the secrets hidden: programs report what they had in hand."""
        from torchx.util.masked_repr import masked_repr

        return masked_repr(self, data=_TOLD)


@dataclass
class RoleStatus:
    """Status of all replicas of one role."""

    role: str
    replicas: list[ReplicaStatus]

    def to_json(self) -> dict[str, Any]:
        """The status as JSON-serialisable data; states by name."""
        return {"role": self.role, "replicas": [_replica_json(r) for r in self.replicas]}


def _replica_json(replica: ReplicaStatus) -> dict[str, Any]:
    return {**vars(replica), "state": str(replica.state)}


@dataclass
class AppStatus:
    """Status of a job.

    Args:
        state: state of the whole job.
        num_restarts: how often the job was started again.
        msg: what the scheduler says, for people.
        structured_error_msg: the first error that a replica reported, as JSON or plain text.
        ui_url: where the job can be looked at in a browser.
        roles: status of each role.
    """

    state: AppState
    num_restarts: int = 0
    msg: str = ""
    structured_error_msg: str = NONE
    ui_url: str | None = None
    roles: list[RoleStatus] = field(default_factory=list)

    def __repr__(self) -> str:
        """As of any dataclass, with the secrets hidden."""
        from torchx.util.masked_repr import masked_repr

        return masked_repr(self, data=("msg", *_TOLD))

    def is_terminal(self) -> bool:
        """Whether the job has ended for good."""
        return is_terminal(self.state)

    def raise_for_status(self) -> None:
        """Raises unless the job succeeded.

        Raises:
            AppStatusError: the state is any but ``SUCCEEDED``.
        """
        if self.state != AppState.SUCCEEDED:
            raise AppStatusError(self)

    def to_json(self, filter_roles: list[str] | None = None) -> dict[str, Any]:
        """The status as JSON-serialisable data; states by name.

        Args:
            filter_roles: names of the roles to tell; None tells all.
        """
        return {
            "state": str(self.state),
            "num_restarts": self.num_restarts,
            "msg": self.msg,
            "structured_error_msg": self.structured_error_msg,
            "ui_url": self.ui_url,
            "roles": [role.to_json() for role in self._roles(filter_roles)],
        }

    def format(self, filter_roles: list[str] | None = None) -> str:
        """The status for a reader: one line a fact, then one line a replica, errors below the replica they belong to.

        Secrets in what programs have reported are hidden.

        Args:
            filter_roles: names of the roles to tell; None tells all.
        """
        from torchx.specs._status_format import format_status
        from torchx.util.masking import mask_text

        return mask_text(format_status(self, self._roles(filter_roles)))

    def _roles(self, names: list[str] | None) -> list[RoleStatus]:
        return self.roles if names is None else [role for role in self.roles if role.role in names]

    def __str__(self) -> str:
        return self.format()


class AppStatusError(TorchXError):
    """A job did not succeed.

    Args:
        status: the job's status, kept as the attribute ``status``.
        args: the message; made from the status where none is given.
    """

    def __init__(self, status: AppStatus, *args: object) -> None:
        super().__init__(" ".join(map(str, args)) if args else f"job did not succeed\n{status}")
        self.status = status
