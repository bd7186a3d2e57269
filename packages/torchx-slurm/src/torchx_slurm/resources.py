"""What a replica needs, as options of ``sbatch``."""

from __future__ import annotations

import re

from torchx.errors import UsageError
from torchx.specs.capabilities import CapabilityKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from torchx.specs.api import Role
    from torchx_slurm.opts import Opts

CONSTRAINT: CapabilityKey[str] = CapabilityKey("slurm", "constraint", str)
"""Features that a resource's nodes must have (``sbatch --constraint``), for the named resources of a site."""

GRES: CapabilityKey[str] = CapabilityKey("slurm", "gres", str)
"""Generic resources of each node beside GPUs (``sbatch --gres``), e.g. ``nic:2``."""

# What can be joined with `&` as it stands: https://slurm.schedmd.com/sbatch.html#OPT_constraint
_ALL_OF = re.compile(r"[^\[\]()|,*:]+")


def resource_options(role: Role, opts: Opts) -> dict[str, Any]:
    """Options of ``sbatch`` for the component of a role.

    Raises:
        UsageError: what the resource asks for contradicts the options of the job.
    """
    resource = role.resource
    options: dict[str, Any] = {"ntasks": role.num_replicas}
    if resource.cpu > 0:
        options["cpus-per-task"] = resource.cpu
    if resource.memMB > 0:
        # Slurm has no memory per task; --mem is that of a node, on which several replicas may be.
        options["mem-per-cpu"] = f"{-(-resource.memMB // max(resource.cpu, 1))}M"
    gres = [_text(role, GRES)] if GRES.key in resource.capabilities else []
    if resource.gpu > 0 and opts.gpus_by == "task":
        options["gpus-per-task"] = resource.gpu
    elif resource.gpu > 0:
        gres.insert(0, f"gpu:{resource.gpu}")
        options.update({"nodes": role.num_replicas, "ntasks-per-node": 1})
    if gres:
        options["gres"] = ",".join(gres)
    if CONSTRAINT.key in resource.capabilities:
        options["constraint"] = _both(role, opts.constraint, _text(role, CONSTRAINT))
    return options


def _both(role: Role, of_job: str | None, of_role: str) -> str:
    """The constraint of the job and that of a role's resource, in one."""
    if of_job is None or of_job == of_role:
        return of_role
    if not (_ALL_OF.fullmatch(of_job) and _ALL_OF.fullmatch(of_role)):
        raise UsageError(
            f"role `{role.name}`: the constraint `{of_role}` of its resource can't be joined with `{of_job}`",
            hint=f"leave out the option constraint, or the capability {CONSTRAINT.key}",
        )
    return f"{of_job}&{of_role}"


def _text(role: Role, key: CapabilityKey[str]) -> str:
    text = key.get(role.resource) or ""
    if not text.strip() or not text.isprintable():
        raise UsageError(f"role `{role.name}`: the capability {key.key} is {text!r}: empty, or with control characters")
    return text
