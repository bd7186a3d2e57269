"""How a site's container runtime is told what to run: Pyxis through options of ``srun``, Apptainer by a command."""

from __future__ import annotations

from torchx.errors import UsageError, nearest
from torchx.schedulers.batch.quoting import word
from torchx.specs.api import BindMount, DeviceMount, VolumeMount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.specs.api import Role

RUNTIMES = ("pyxis", "apptainer")

_IMAGE_FILES = {".sif": "apptainer", ".sqsh": "pyxis", ".squashfs": "pyxis"}
"""Endings of image files, and what runs them."""


def runtime(container: str | None, workspace_type: str) -> str | None:
    """The runtime that the options ask for; None: images are folders.

    Raises:
        UsageError: there is no such runtime.
    """
    if container is None:
        return None if workspace_type == "dir" else "pyxis"
    if container not in RUNTIMES:
        raise UsageError(
            f"unknown container runtime `{container}`",
            hint=nearest(container, RUNTIMES) or f"known: {', '.join(RUNTIMES)}",
        )
    return container


def check_mounts(role: Role, container: str | None) -> None:
    """Refuses mounts that the job could not have.

    Raises:
        UsageError: names the mount and what to do.
    """
    for mount in role.mounts:
        if isinstance(mount, VolumeMount):
            raise UsageError(
                f"role `{role.name}`: Slurm has no volumes, as `{mount.src}`",
                hint="use type=bind with a folder of the shared file system",
            )
        if container is None and mount.src_path != mount.dst_path:
            raise UsageError(
                f"role `{role.name}`: `{mount.src_path}` can't be mounted at `{mount.dst_path}` without containers",
                hint="use the same path for src and dst, or run images with the option container",
            )
        if container is None and isinstance(mount, BindMount) and mount.read_only:
            raise UsageError(
                f"role `{role.name}`: `{mount.src_path}` can't be mounted read-only without containers",
                hint="leave out readonly: programs may write there then; or run images with the option container",
            )
        if container is not None and not (_can_be_mounted(mount.src_path) and _can_be_mounted(mount.dst_path)):
            raise UsageError(f"role `{role.name}`: the path of a mount can't hold `,`, `:` or a line end")
        if container == "pyxis" and isinstance(mount, DeviceMount) and mount.src_path != mount.dst_path:
            raise UsageError(f"role `{role.name}`: the device `{mount.src_path}` can only be mounted at its own path")


def check_folder(role: Role, job_folder: str, workspace: str | None) -> None:
    """Refuses folders of the job that no container could have.

    Args:
        role: a role that runs in containers.
        job_folder: where the job's files are.
        workspace: the folder with the role's workspace, if there is one.

    Raises:
        UsageError: names the folder.
    """
    for path in (job_folder, workspace or ""):
        if not _can_be_mounted(path):
            raise UsageError(
                f"role `{role.name}`: `{path}` can't be mounted into a container: it holds `,`, `:` or a line end",
                hint="name another folder with job_dir",
            )


def _can_be_mounted(path: str) -> bool:
    return not {",", ":", "\n"} & {*path}


def check_image(role: Role, container: str | None) -> None:
    """Refuses an image file where nothing would run it: it is no folder to work in.

    Raises:
        UsageError: names the option.
    """
    runs_it = next((name for ending, name in _IMAGE_FILES.items() if role.image.endswith(ending)), None)
    if container is None and runs_it:
        raise UsageError(
            f"role `{role.name}`: the image `{role.image}` is a container's", hint=f"set the option container={runs_it}"
        )


def pyxis_options(role: Role, job_folder: str, workspace: str | None = None) -> dict[str, str]:
    """Options of ``srun`` for a role's image (https://github.com/NVIDIA/pyxis)."""
    folders = [job_folder, workspace] if workspace else [job_folder]
    mounts = [*(f"{folder}:{folder}" for folder in folders), *(_bind(mount) for mount in role.mounts)]
    return {"container-image": _enroot_name(role.image), "container-mounts": ",".join(mounts)}


def apptainer_words(role: Role, workspace: str | None = None) -> list[str]:
    """The words of a shell in front of a role's program."""
    own = ["--bind", word(f"{workspace}:{workspace}"), "--pwd", word(workspace)] if workspace else []
    binds = [part for mount in role.mounts for part in ("--bind", word(_bind(mount)))]
    nv = ["--nv"] if role.resource.gpu > 0 else []
    image = role.image if "://" in role.image or role.image.startswith(("/", ".")) else f"docker://{role.image}"
    return ["apptainer", "exec", *nv, *own, *binds, word(image)]


def _bind(mount: BindMount | VolumeMount | DeviceMount) -> str:
    assert not isinstance(mount, VolumeMount)
    read_only = isinstance(mount, BindMount) and mount.read_only
    return f"{mount.src_path}:{mount.dst_path}{':ro' if read_only else ''}"


def _enroot_name(image: str) -> str:
    """Enroot wants ``registry#name``, where others write ``registry/name``; files are left alone."""
    registry, slash, rest = image.partition("/")
    is_registry = slash and ("." in registry or ":" in registry or registry == "localhost")
    if image.startswith(("/", ".")) or "#" in image or not is_registry:
        return image
    return f"{registry}#{rest}"
