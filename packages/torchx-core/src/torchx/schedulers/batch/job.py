"""What a batch system says about a job, in TorchX's terms, and the interface through which it is asked."""

from __future__ import annotations

import abc

from torchx.util.light_dataclass import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torchx.schedulers.batch.commands import Commands
    from torchx.schedulers.batch.kills import Kill
    from torchx.schedulers.batch.request import BatchRequest
    from torchx.specs.api import AppState


QUEUED_AGAIN = "REQUEUED: queued again"
"""In the message of a job that waits after it has run."""


@dataclass
class BatchPart:
    """A part of a job, which runs one of its roles.

    Attributes:
        role: the role's index in the app.
        state: the part's state.
        msg: why, in words; empty where there is nothing to say.
        exit_code: that of the part's program, as far as it is known.
        signal: the signal that ended it; 0: none.
        hosts: the nodes, as the batch system writes them.
    """

    role: int
    state: AppState
    msg: str = ""
    exit_code: int | None = None
    signal: int = 0
    hosts: str = ""


@dataclass
class BatchJob:
    """A job as the batch system knows it.

    Attributes:
        app_id: its id.
        state: the state of the whole: a part that failed fails it.
        name: its name.
        msg: why it is in this state, in words.
        restarts: how often the batch system has started it again; -1: not known.
        parts: one for each role; empty where the batch system was not asked for details.
        lost: the batch system has forgotten the job without an end; its own note of an exit status says more.
        folder: where the job's own script lies, if the batch system knows it.
        native: the batch system's own record, as plain data.
        bare: whether the message is no more than an exit status: the replicas' own tell more.
        failed_nodes: names of nodes whose failure ended it, as far as the batch system tells.
    """

    app_id: str
    state: AppState
    name: str = ""
    msg: str = ""
    restarts: int = -1
    parts: list[BatchPart] = field(default_factory=list)
    lost: bool = False
    folder: str | None = None
    native: object = None
    failed_nodes: tuple[str, ...] = ()
    bare: bool = False


class BatchSystem(abc.ABC):
    """What a plugin author supplies: the five questions that every batch system can be asked.

    All methods may raise ``TransientError`` where the batch system can't be reached now, and ``TorchXError`` where it
    refuses. None of them retries: the base scheduler does.

    Args:
        commands: run the batch system's commands here or on a login node.
    """

    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    @abc.abstractmethod
    def submit(self, request: BatchRequest, folder: str) -> str:
        """Submits a job whose files have been written.

        Args:
            request: the job.
            folder: the absolute path of its folder.

        Returns:
            The job's id.

        Raises:
            TransientError: nobody knows whether there is a job now; `find` is asked before the next try.
        """

    @abc.abstractmethod
    def find(self, key: str) -> list[str]:
        """The ids of the jobs that were submitted with a request's key, oldest first."""

    @abc.abstractmethod
    def query(self, app_ids: Sequence[str]) -> dict[str, BatchJob]:
        """What is known of some jobs, in as few calls as possible; ids that are unknown are left out.

        A job that can't be asked for now has the state ``UNKNOWN``, and a message that says why.
        """

    @abc.abstractmethod
    def jobs(self) -> Iterable[BatchJob]:
        """The user's jobs, without details, the newest first."""

    @abc.abstractmethod
    def cancel(self, app_id: str) -> None:
        """Asks for a job's end, with all its parts. Nothing happens to a job that has ended or never was."""

    def cluster(self) -> str:
        """The name of the cluster that commands on this machine reach; empty where there is never more than one.

        Ids of jobs are told apart by it. Contacts nothing.
        """
        return ""

    def kills(self, log: str) -> Sequence[Kill]:
        """Replicas that the batch system ended for a reason that it told in the job's log.

        Args:
            log: what it wrote there since the job's last start.
        """
        return ()

    def why_again(self, app_id: str) -> str:
        """Why a job that waits was put back into the queue the last time, in words; empty where that is not known.

        Asked for once at each time.
        """
        return ""
