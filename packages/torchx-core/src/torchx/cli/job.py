"""What ``torchx run`` was asked to run."""

from __future__ import annotations

from torchx.util.light_dataclass import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torchx.specs import AppDef, CfgVal


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run, and where.

    Attributes:
        app: the job itself; None where a component makes it.
        component: the component's name; empty where ``app`` is given.
        component_args: its arguments, as words or by name.
        configured: whether the configuration files name the component.
        scheduler: where to run it; None: the default.
        cfg: options of the scheduler.
        workspace: the workspace; None: the default.
        parent_run_id: the run that it belongs to.
    """

    app: AppDef | None = None
    component: str = ""
    component_args: list[str] | dict[str, Any] = field(default_factory=list)
    configured: bool = False
    scheduler: str | None = None
    cfg: Mapping[str, CfgVal] = field(default_factory=dict)
    workspace: str | None = None
    parent_run_id: str | None = None
