"""Mounts of a role, and the text form in which components take them."""

from __future__ import annotations

from enum import Enum

from torchx.errors import UsageError, nearest
from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class MountType(str, Enum):
    """The kinds of mounts, as written after ``type=``."""

    BIND = "bind"
    VOLUME = "volume"
    DEVICE = "device"


@dataclass
class BindMount:
    """A file or folder of the host, shown inside the replica.

    Args:
        src_path: path on the host.
        dst_path: path inside the replica.
        read_only: whether the replica may only read it.
    """

    src_path: str
    dst_path: str
    read_only: bool = False


@dataclass
class VolumeMount:
    """A volume that the scheduler knows by name (a Docker volume, a persistent volume claim).

    Args:
        src: name of the volume.
        dst_path: path inside the replica.
        read_only: whether the replica may only read it.
    """

    src: str
    dst_path: str
    read_only: bool = False


@dataclass
class DeviceMount:
    """A device of the host, shown inside the replica.

    Args:
        src_path: path of the device on the host.
        dst_path: path inside the replica.
        permissions: any of ``r`` (read), ``w`` (write), ``m`` (make the device node).
    """

    src_path: str
    dst_path: str
    permissions: str = "rwm"


Mount = BindMount | VolumeMount | DeviceMount

_ALIASES = {
    "type": "type",
    "src": "src",
    "source": "src",
    "dst": "dst",
    "destination": "dst",
    "target": "dst",
    "readonly": "readonly",
    "read_only": "readonly",
    "ro": "readonly",
    "perm": "perm",
    "permissions": "perm",
}
_FIELDS = {
    MountType.BIND: ("src", "dst", "readonly"),
    MountType.VOLUME: ("src", "dst", "readonly"),
    MountType.DEVICE: ("src", "dst", "perm"),
}


class InvalidMountException(UsageError, ValueError):
    """The text of a mount is malformed; the message names the part that is."""


def parse_mounts(opts: list[str]) -> list[BindMount | VolumeMount | DeviceMount]:
    """Reads mounts from ``key=value`` options.

    Each ``type=`` begins a mount::

        type=bind,src=<host path>,dst=<path in the replica>[,readonly]
        type=volume,src=<name>,dst=<path in the replica>[,readonly]
        type=device,src=/dev/<dev>[,dst=<path in the replica>][,perm=rwm]

    ``source``, ``destination``, ``target``, ``ro`` and ``permissions`` are understood too.

    Args:
        opts: the options, one an element; an element that begins with ``type=`` may hold a whole mount.

    Returns:
        The mounts in the order given.

    Raises:
        InvalidMountException: a key or type is unknown, given twice or missing.

    >>> parse_mounts(["type=bind", "src=/data", "dst=/mnt/data", "readonly"])
    [BindMount(src_path='/data', dst_path='/mnt/data', read_only=True)]
    """
    return [_to_mount(fields) for fields in _group(_split(opts))]


def _split(opts: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    for element in opts:
        # Paths may hold commas, so only what is plainly a whole mount is cut at them.
        for part in element.split(",") if element.lstrip().startswith("type=") else [element]:
            name, equals, value = part.strip().partition("=")
            key = _ALIASES.get(name)
            if key is None:
                raise InvalidMountException(
                    f"unknown mount option `{name}` in `{part}`",
                    hint=nearest(name, _ALIASES) or f"valid options: {', '.join(_ALIASES)}",
                )
            yield key, value if equals else None


def _group(options: Iterable[tuple[str, str | None]]) -> list[dict[str, str | None]]:
    groups: list[dict[str, str | None]] = []
    for key, value in options:
        if key == "type":
            groups.append({key: value})
        elif not groups:
            raise InvalidMountException(
                f"mount option `{key}` comes before `type=`", hint="begin each mount with `type=`"
            )
        elif key in groups[-1]:
            raise InvalidMountException(f"mount option `{key}` is given twice", hint="begin each mount with `type=`")
        else:
            groups[-1][key] = value
    return groups


def _to_mount(fields: dict[str, str | None]) -> Mount:
    mount_type = _mount_type(fields["type"])
    for key in fields:
        if key != "type" and key not in _FIELDS[mount_type]:
            raise InvalidMountException(f"a {mount_type.value} mount takes no option `{key}`")
    src = _required(fields, "src", mount_type)
    if mount_type is MountType.DEVICE:
        dst = _required(fields, "dst", mount_type) if "dst" in fields else src
        return DeviceMount(src_path=src, dst_path=dst, permissions=_permissions(fields))
    dst = _required(fields, "dst", mount_type)
    if mount_type is MountType.BIND:
        return BindMount(src_path=src, dst_path=dst, read_only=_read_only(fields))
    return VolumeMount(src=src, dst_path=dst, read_only=_read_only(fields))


def _mount_type(value: str | None) -> MountType:
    try:
        return MountType(value)
    except ValueError:
        names = [t.value for t in MountType]
        raise InvalidMountException(
            f"unknown mount type `{value or ''}`",
            hint=nearest(value or "", names) or f"valid types: {', '.join(names)}",
        ) from None


def _required(fields: dict[str, str | None], key: str, mount_type: MountType) -> str:
    value = fields.get(key)
    if not value:
        raise InvalidMountException(f"a {mount_type.value} mount needs `{key}=`")
    return value


def _read_only(fields: dict[str, str | None]) -> bool:
    if "readonly" not in fields:
        return False
    value = fields["readonly"]
    if value is None or value.lower() in ("true", "1"):
        return True
    if value.lower() in ("false", "0"):
        return False
    raise InvalidMountException(f"mount option `readonly` is `{value}`", hint="write `readonly`, or true or false")


def _permissions(fields: dict[str, str | None]) -> str:
    if "perm" not in fields:
        return "rwm"
    value = fields["perm"] or ""
    if not value or set(value) - set("rwm"):
        raise InvalidMountException(f"mount option `perm` is `{value}`", hint="use any of the letters r, w and m")
    return value
