"""Shares this machine's GPUs out among replicas."""

from __future__ import annotations

from torchx.errors import TorchXError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchx.specs.api import AppDef


def count_gpus() -> int:
    """How many NVIDIA GPUs this machine has, as ``nvidia-smi -L`` lists them; 0 where there is no driver.

    Raises:
        TorchXError: ``nvidia-smi`` is there but fails or hangs.
    """
    import subprocess

    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True)
    except FileNotFoundError:
        return 0
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
        raise TorchXError(f"can't count the GPUs: {error}", hint="run `nvidia-smi -L` to see what is wrong") from error
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())


def assign_gpus(app: AppDef, available: int) -> dict[str, list[str]]:
    """Values of CUDA_VISIBLE_DEVICES for every replica.

    Args:
        app: the job; each replica of a role needs ``role.resource.gpu`` devices.
        available: how many devices the machine has.

    Returns:
        Role name to the values for its replicas, in order; roles that ask for no GPU are left out.

    Raises:
        UsageError: the job asks for more devices than there are.
    """
    wanted = sum(max(role.resource.gpu, 0) * role.num_replicas for role in app.roles)
    if wanted > available:
        raise UsageError(
            f"the job asks for {wanted} GPUs, this machine has {available}",
            hint="lower gpu or the number of replicas, or leave out auto_set_cuda_visible_devices",
        )
    shares: dict[str, list[str]] = {}
    first = 0
    for role in app.roles:
        each = max(role.resource.gpu, 0)
        if each:
            shares[role.name] = []
        for _ in range(role.num_replicas if each else 0):
            shares[role.name].append(",".join(str(device) for device in range(first, first + each)))
            first += each
    return shares
