"""A scheduler's answer as the status that users see."""

from __future__ import annotations

from torchx.specs.api import AppStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.schedulers.api import DescribeAppResponse


def status_of(described: DescribeAppResponse | None) -> AppStatus | None:
    """The status in a scheduler's answer; None where the scheduler does not know the job."""
    if described is None:
        return None
    return AppStatus(
        state=described.state,
        num_restarts=described.num_restarts,
        msg=described.msg,
        structured_error_msg=described.structured_error_msg,
        ui_url=described.ui_url,
        roles=described.roles_statuses,
    )
