"""What the record of a call says about a job; made only where somebody wants the record."""

from __future__ import annotations

from torchx.runner.events.recorder import note
from torchx.specs.api import parse_app_handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from torchx.specs.api import AppDef


def noted(app_handle: str) -> tuple[str, str]:
    """The scheduler and the app id of a handle, which the record of the running call tells, too."""
    scheduler, _, app_id = parse_app_handle(app_handle)
    note(scheduler=scheduler, app_id=app_id)
    return scheduler, app_id


def images_of(app: AppDef | None) -> str | None:
    return ",".join(dict.fromkeys(role.image for role in app.roles)) if app is not None else None


def secrets_of(app: AppDef | None, cfg: object) -> set[str]:
    from torchx.util.masking import job_secrets

    return job_secrets(app, cfg)


def argument_secrets(component_args: Sequence[str] | Mapping[str, Any]) -> set[str]:
    from torchx.util.masking import job_secrets, secret_values

    by_name = hasattr(component_args, "keys")
    return job_secrets(None, component_args) if by_name else secret_values(args=[*component_args])


def as_json(cfg: object) -> str | None:
    import json

    return json.dumps(dict(cfg), default=str) if hasattr(cfg, "keys") else None  # type: ignore[call-overload]
