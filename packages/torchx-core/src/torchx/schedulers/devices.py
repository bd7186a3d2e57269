"""Named devices of a ``Resource`` as the device files that a container needs."""

from __future__ import annotations

from torchx.errors import UsageError, nearest
from torchx.specs import DeviceMount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EFA_DEVICE = "vpc.amazonaws.com/efa"
NEURON_DEVICE = "aws.amazon.com/neurondevice"

_PATHS: Mapping[str, str] = {
    # https://docs.aws.amazon.com/batch/latest/userguide/efa.html
    EFA_DEVICE: "/dev/infiniband/uverbs",
    # https://awsdocs-neuron.readthedocs-hosted.com (containers: one /dev/neuron<N> per device)
    NEURON_DEVICE: "/dev/neuron",
}


def to_devicemounts(num_devices: int, device_type: str) -> list[DeviceMount]:
    """The device files ``<device_type>0 .. <device_type>N-1`` as mounts at the same path.

    Args:
        num_devices: how many devices.
        device_type: the common part of the device files' path, such as ``/dev/neuron``.
    """
    return [DeviceMount(src_path=f"{device_type}{i}", dst_path=f"{device_type}{i}") for i in range(num_devices)]


def _mounts_of(device: str) -> Callable[[int], list[DeviceMount]]:
    return lambda num_devices: to_devicemounts(num_devices, _PATHS[device])


DEVICES: dict[str, Callable[[int], list[DeviceMount]]] = {device: _mounts_of(device) for device in _PATHS}


def get_device_mounts(devices: dict[str, int]) -> list[DeviceMount]:
    """The mounts for a resource's devices.

    Args:
        devices: device name to count, as in ``Resource.devices``.

    Raises:
        UsageError: a device is not known.
    """
    mounts: list[DeviceMount] = []
    for device, count in devices.items():
        if device not in DEVICES:
            raise UsageError(
                f"unknown device `{device}`",
                hint=nearest(device, DEVICES) or f"known devices: {', '.join(DEVICES)}",
            )
        mounts.extend(DEVICES[device](count))
    return mounts
