"""What a job asks for and does not get on Slurm is told in one line each, however many roles ask for it."""

from __future__ import annotations

import os

from torchx.specs.api import BindMount, DeviceMount
from torchx_slurm.resources import CONSTRAINT, GRES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchx.specs.api import Role
    from torchx_slurm.request import SlurmBatchRequest, SlurmRoleRequest

_CHOSEN_NODES = ("constraint", "C", "gres", "nodelist", "w")
"""Options that tell more of the nodes than cores, memory and GPUs."""

ALL_PERMISSIONS = "rwm"
"""Permissions of a device mount that asks for no limit."""


def warn(request: SlurmBatchRequest, container: str | None, *, host: str | None = None) -> None:
    """Logs a warning for each thing that has no effect.

    Args:
        request: the job.
        container: the runtime for images; None: there is none.
        host: the login node that submits; None: this machine.
    """
    told: dict[str, list[str]] = {}
    for role, component in zip(request.app.roles, request.roles, strict=True):
        for text in (*_left_out(role, component, container), *_not_here(role, container, host)):
            told.setdefault(text, []).append(role.name)
    if told:
        import logging

        logger = logging.getLogger(__name__)
        for text, roles in told.items():
            others = f" and {len(roles) - 1} more" if len(roles) > 1 else ""
            logger.warning("role `%s`%s: %s", roles[0], others, text)


def _left_out(role: Role, component: SlurmRoleRequest, container: str | None) -> Iterator[str]:
    if role.min_replicas is not None and role.min_replicas < role.num_replicas:
        yield f"min_replicas={role.min_replicas} has no effect: on Slurm the job ends with the first replica that fails"
    if container is None and _is_container_image(role.image):
        yield (
            f"the image `{role.image}` is not used: programs run with what is installed on the nodes; "
            "set the option container (pyxis or apptainer) to run it"
        )
    for mount in role.mounts:
        if isinstance(mount, DeviceMount) and mount.permissions != ALL_PERMISSIONS:
            yield (
                f"the permissions `{mount.permissions}` of `{mount.src_path}` have no effect: "
                "programs may do with the device what the node lets them"
            )
    wanted = [*role.resource.devices]
    wanted += [f"{k}={v}" for k, v in role.resource.capabilities.items() if k not in (CONSTRAINT.key, GRES.key)]
    if wanted and not _chooses_nodes(role, component):
        yield (
            f"Slurm is not asked for {', '.join(f'`{name}`' for name in wanted)}: choose nodes that have it "
            "with the option constraint, or ask for a gres of the site with an overlay"
        )


def _not_here(role: Role, container: str | None, host: str | None) -> Iterator[str]:
    """Where nothing is mounted, programs find what the nodes have; that may be more than this machine has."""
    if container is not None or host is not None:
        return
    for mount in role.mounts:
        if isinstance(mount, BindMount) and not os.path.exists(mount.src_path):
            yield f"`{mount.src_path}` is not on this machine: the mount has no effect where the nodes lack it, too"


def _is_container_image(image: str) -> bool:
    """Whether an image was meant to be run; the default image of components is nobody's choice."""
    import torchx

    return image not in ("", ".", torchx.IMAGE) and not image.startswith("/")


def _chooses_nodes(role: Role, component: SlurmRoleRequest) -> bool:
    own_gpus = f"gpu:{role.resource.gpu}"
    return any(component.sbatch.get(name) not in (None, own_gpus) for name in _CHOSEN_NODES)
