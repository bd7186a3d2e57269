"""An ``AppDef`` as requests of the Docker Engine API: a pure function, plain dicts.

The bodies are those of ``POST /containers/create``: https://docs.docker.com/reference/api/engine/version/v1.41/
"""

from __future__ import annotations

import json
import os
from fnmatch import fnmatchcase

from torchx.errors import UsageError
from torchx.schedulers.role_checks import check_roles, check_unicode
from torchx.schedulers.role_records import role_record
from torchx.specs.api import BindMount, DeviceMount, RetryPolicy, VolumeMount, macros
from torchx_docker.names import replica_host
from torchx_docker.opts import Opts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from torchx.specs.api import AppDef, CfgVal, Role

LABEL_VERSION = "torchx.pytorch.org/version"
LABEL_APP_ID = "torchx.pytorch.org/app-id"
LABEL_APP_NAME = "torchx.pytorch.org/app-name"
LABEL_ROLE_INDEX = "torchx.pytorch.org/role-index"
LABEL_ROLE_NAME = "torchx.pytorch.org/role-name"
LABEL_REPLICA_ID = "torchx.pytorch.org/replica-id"
LABEL_ROLE = "torchx.pytorch.org/role"
"""The role as it was submitted, as JSON, without its environment: anybody who may list containers reads labels."""
LABEL_METADATA = "torchx.pytorch.org/app-metadata"
LABEL_CANCELLED = "torchx.pytorch.org/cancelled"
"""On the container that is the record of a job's cancellation: the job's id."""

NETWORK = "torchx"
OVERLAYS = "local_docker"
ENV_RANK0_HOST = "TORCHX_RANK0_HOST"
ENV_ERROR_FILE = "TORCHELASTIC_ERROR_FILE"
ERROR_FILE = "/tmp/torchx_error.json"

CPU_PERIOD = 100_000
"""Microseconds in which a container gets its share of CPU time: the kernel's default."""
MIN_CPU_QUOTA = 1_000
"""The smallest share that the kernel takes."""
MB = 1024 * 1024
NO_RESTART = {"Name": "no"}
"""The policy of a container that the engine never starts again."""


def build_request(
    app: AppDef, cfg: Mapping[str, CfgVal], *, app_id: str, version: str, environ: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Translates a job.

    Args:
        app: the job.
        cfg: resolved options.
        app_id: its new id.
        version: of this distribution, for a label.
        environ: where ``copy_env`` finds variables.

    Returns:
        ``app_id``, ``network``, and ``containers``: for each replica its ``name`` and the ``config`` to create it with.

    Raises:
        UsageError: the job can't run on Docker, whatever happens.
    """
    check_roles(app)
    if not app.roles:
        raise UsageError(f"the job `{app.name}` has no roles", hint="a job needs at least one Role")
    opts = Opts.from_cfg(cfg)
    labels = {LABEL_VERSION: version, LABEL_APP_ID: app_id, LABEL_APP_NAME: app.name}
    if app.metadata:
        labels[LABEL_METADATA] = json.dumps(app.metadata)
    gpus = _gpu_requests(app)
    common = {ENV_RANK0_HOST: replica_host(app_id, app.roles[0].name, 0), ENV_ERROR_FILE: ERROR_FILE}
    containers = []
    for index, role in enumerate(app.roles):
        check_unicode(role)
        role_labels = {
            **labels,
            LABEL_ROLE_INDEX: str(index),
            LABEL_ROLE_NAME: role.name,
            LABEL_ROLE: json.dumps(labelled_role(role)),
        }
        outer = {**common, **_copied_env(opts.copy_env or [], environ)}
        for k in range(role.num_replicas):
            host = replica_host(app_id, role.name, k)
            values = macros.Values("", app_id, str(k), ENV_RANK0_HOST)
            filled = values.apply(role)
            config: dict[str, Any] = {
                **_command(filled),
                "Env": [f"{name}={value}" for name, value in {**outer, **filled.env, **(opts.env or {})}.items()],
                "Hostname": host,
                "Labels": {**role_labels, LABEL_REPLICA_ID: str(k)},
                "ExposedPorts": {f"{port}/tcp": {} for port in role.port_map.values()},
                "HostConfig": {
                    "NetworkMode": NETWORK,
                    "Init": True,  # as process 1, programs would get no signals that they do not handle
                    "Privileged": opts.privileged,
                    **_limits(role),
                    **_mounts(filled),
                    "DeviceRequests": next(gpus) if role.resource.gpu > 0 else [],
                    "PortBindings": _port_bindings(role),
                    "RestartPolicy": _restart_policy(app, role),
                },
                "NetworkingConfig": {"EndpointsConfig": {NETWORK: {"Aliases": [host]}}},
            }
            containers.append({"name": host, "config": _overlaid(config, app, role, values)})
    return {"app_id": app_id, "network": NETWORK, "containers": containers}


def render(request: Mapping[str, Any]) -> str:
    """The request as YAML; of images that will be pushed, their names alone."""
    import yaml

    shown = dict(request)
    if push := request.get("push"):
        shown["push"] = {"builder": push["builder"], "images": _pushed_names(push["images"])}
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=120)


def _pushed_names(images: Mapping[str, Any]) -> list[str]:
    # ``docker`` says repository and tag of an image's id; the names of ``oci`` are where its images will be.
    return [":".join(to) if type(to) is tuple else image for image, to in images.items()]


def _overlaid(config: dict[str, Any], app: AppDef, role: Role, values: macros.Values) -> dict[str, Any]:
    """The body with the overlays ``local_docker/container`` of the app and the role laid over it; our labels stay."""
    if any(key.partition("/")[0] == OVERLAYS for metadata in (app.metadata, role.metadata) for key in metadata):
        from torchx.specs.overlays import OverlaySpec

        labels = dict(config["Labels"])
        OverlaySpec(OVERLAYS, "container").apply(config, app, role, values=values)
        config["Labels"] = {**(config.get("Labels") or {}), **labels}
    return config


def engine_restarts(app: AppDef, role: Role) -> bool:
    """Whether the engine by itself can start again what a role's policy says: single replicas.

    Where a failure restarts several replicas, the job's keeper does it.
    """
    if role.max_retries <= 0:
        return False
    alone = {
        RetryPolicy.REPLICA: True,
        RetryPolicy.ROLE: role.num_replicas == 1,
        RetryPolicy.APPLICATION: role.num_replicas == 1 and len(app.roles) == 1,
    }
    return alone[role.retry_policy]


def labelled_role(role: Role) -> dict[str, Any]:
    """What ``describe`` gives back of a role, and what its retries need; no environment: see `LABEL_ROLE`."""
    record = {key: value for key, value in role_record(role).items() if key != "env"}
    return {**record, "max_retries": role.max_retries, "retry_policy": role.retry_policy.value}


def _command(role: Role) -> dict[str, Any]:
    # The image's own entry point is replaced, as on every other backend: what the role says is what runs.
    return {"Image": role.image, "Entrypoint": [role.entrypoint], "Cmd": list(role.args)}


def _copied_env(patterns: list[str], environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in sorted(environ) if any(fnmatchcase(name, p) for p in patterns)}


def _limits(role: Role) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    resource = role.resource
    if resource.cpu > 0:
        # Not NanoCpus: the engine refuses more of these than it has, and jobs for larger machines are tried here.
        limits["CpuPeriod"] = CPU_PERIOD
        limits["CpuQuota"] = max(MIN_CPU_QUOTA, int(resource.cpu * CPU_PERIOD))
    if resource.memMB > 0:
        memory = int(resource.memMB * MB)
        # Without a limit of its own, swap as large as the memory would be added. What is in /dev/shm counts as memory.
        limits.update(Memory=memory, MemorySwap=memory, ShmSize=memory)
    return limits


def _gpu_requests(app: AppDef) -> Iterator[list[dict[str, Any]]]:
    """The device requests of the replicas that want GPUs, in order: no two replicas of a job share one."""
    wanted = [int(role.resource.gpu) for role in app.roles for _ in range(role.num_replicas) if role.resource.gpu > 0]
    if len(wanted) == 1:
        yield [{"Count": wanted[0], "Capabilities": [["gpu"]]}]
        return
    first = 0
    for count in wanted:
        yield [{"DeviceIDs": [str(first + i) for i in range(count)], "Capabilities": [["gpu"]]}]
        first += count


def _mounts(role: Role) -> dict[str, Any]:
    from torchx.schedulers.devices import get_device_mounts

    mounts: list[dict[str, Any]] = []
    devices: list[dict[str, str]] = []
    for mount in [*role.mounts, *get_device_mounts(role.resource.devices)]:
        if isinstance(mount, BindMount):
            source = os.path.abspath(os.path.expanduser(mount.src_path))
            mounts.append({"Type": "bind", "Source": source, "Target": mount.dst_path, "ReadOnly": mount.read_only})
        elif isinstance(mount, VolumeMount):
            mounts.append(
                {"Type": "volume", "Source": mount.src, "Target": mount.dst_path, "ReadOnly": mount.read_only}
            )
        elif isinstance(mount, DeviceMount):
            devices.append(
                {
                    "PathOnHost": mount.src_path,
                    "PathInContainer": mount.dst_path,
                    "CgroupPermissions": mount.permissions,
                }
            )
        else:
            raise UsageError(
                f"role `{role.name}`: {type(mount).__name__} is no mount",
                hint="use BindMount, VolumeMount or DeviceMount",
            )
    return {"Mounts": mounts, "Devices": devices}


def _port_bindings(role: Role) -> dict[str, list[dict[str, str]]]:
    """A role's only replica is reached at the ports it names; of several, each at free ports of the engine's choice.

    Where such a port turns out to be taken, the replica gets free ones, too: see `with_free_ports`.
    """
    bindings = {}
    for name, port in role.port_map.items():
        if not isinstance(port, int) or not 0 < port < 65536:
            raise UsageError(f"role `{role.name}`: the port `{name}` is {port!r}", hint="ports are 1 to 65535")
        host_port = str(port) if role.num_replicas == 1 else ""
        bindings[f"{port}/tcp"] = [{"HostIp": "127.0.0.1", "HostPort": host_port}]
    return bindings


def with_free_ports(config: Mapping[str, Any]) -> dict[str, Any]:
    """The body with ports of the engine's choice in the place of those that it names."""
    host = dict(config["HostConfig"])
    host["PortBindings"] = {
        port: [{**binding, "HostPort": ""} for binding in bindings]
        for port, bindings in (host.get("PortBindings") or {}).items()
    }
    return {**config, "HostConfig": host}


def _restart_policy(app: AppDef, role: Role) -> dict[str, Any]:
    if engine_restarts(app, role):
        return {"Name": "on-failure", "MaximumRetryCount": role.max_retries}
    return NO_RESTART.copy()
