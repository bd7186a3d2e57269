"""What a scheduler must do, whatever its backend."""

from __future__ import annotations

from torchx.testing.scheduler.contract import SchedulerContract
from torchx.testing.scheduler.data import DataChecks
from torchx.testing.scheduler.lifecycle import LifecycleChecks
from torchx.testing.scheduler.log_selection import LogSelectionChecks
from torchx.testing.scheduler.logs import LogChecks
from torchx.testing.scheduler.outage import OutageChecks
from torchx.testing.scheduler.processes import OtherProcessChecks
from torchx.testing.scheduler.submission import SubmissionChecks

__all__ = ["SchedulerConformance"]


class SchedulerConformance(
    SubmissionChecks,
    DataChecks,
    LifecycleChecks,
    LogChecks,
    LogSelectionChecks,
    OtherProcessChecks,
    OutageChecks,
    SchedulerContract,
):
    """The suite for schedulers; :class:`~torchx.testing.scheduler.contract.SchedulerContract` has its fixtures and
    flags. The least that a subclass defines is ``factory`` and ``outage``.
    """
