"""A role as plain data, kept with a job so that who did not submit it can be told what it was."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torchx.specs.api import Role


def role_record(role: Role) -> dict[str, Any]:
    """What ``describe`` needs to give a role back to somebody who did not submit it."""
    resource = role.resource
    return {
        "image": role.image,
        "min_replicas": role.min_replicas,
        "entrypoint": role.entrypoint,
        "args": list(role.args),
        "env": dict(role.env),
        "num_replicas": role.num_replicas,
        "resource": {"cpu": resource.cpu, "gpu": resource.gpu, "memMB": resource.memMB},
        "port_map": dict(role.port_map),
    }


def role_from_record(record: Mapping[str, Any]) -> Role:
    """The inverse of ``role_record``.

    Args:
        record: one entry of a record's ``roles``: ``name``, ``max_retries``, ``retry_policy`` and the ``spec``.
    """
    from torchx.specs.api import Resource, RetryPolicy, Role

    spec = dict(record["spec"])
    spec["resource"] = Resource(**spec["resource"])
    return Role(
        name=record["name"],
        max_retries=record["max_retries"],
        retry_policy=RetryPolicy(record["retry_policy"]),
        **spec,
    )
