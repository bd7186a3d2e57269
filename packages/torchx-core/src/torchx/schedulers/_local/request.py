"""An ``AppDef`` as the request that the supervisor carries out."""

from __future__ import annotations

import os

from torchx.errors import UsageError
from torchx.schedulers._local.files import COMBINED_LOG, STDERR_LOG, STDOUT_LOG
from torchx.schedulers._local.opts import Opts
from torchx.schedulers.ids import random_id
from torchx.schedulers.role_checks import check_roles
from torchx.schedulers.role_records import role_record
from torchx.specs.api import AppDef, CfgVal, Role, macros
from torchx.util.folder_names import folder_name
from torchx.util.light_dataclass import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torchx.schedulers._local.images import ImageProvider

ENV_RANK0_HOST = "TORCHX_RANK0_HOST"
ENV_ERROR_FILE = "TORCHELASTIC_ERROR_FILE"
ERROR_FILE = "error.json"

_ALWAYS_POSSIBLE = 16
"""Number of replicas that is not worth a look at the system's limits."""


@dataclass
class ReplicaParam:
    """What one replica runs.

    Attributes:
        args: the command, program first.
        env: what is set on top of the submitting process's environment.
        stdout, stderr, combined: its log files.
        cwd: its working folder.
    """

    args: list[str]
    env: dict[str, str]
    stdout: str | None = None
    stderr: str | None = None
    combined: str | None = None
    cwd: str | None = None

    def __repr__(self) -> str:
        from torchx.util.masked_repr import masked_repr

        return masked_repr(self, data=("args", "env"))


@dataclass
class PopenRequest:
    """A job for this machine.

    Attributes:
        app_id: its id, made here so that a repeated submission is one job.
        log_dir: the folder under which the replicas' log folders are.
        role_params: role name to its replicas.
        role_log_dirs: role name to the log folder of each replica.
        app: the job as described by the user, macros in place.
        token: tells this dry run from any other.
    """

    app_id: str
    log_dir: str
    role_params: dict[str, list[ReplicaParam]]
    role_log_dirs: dict[str, list[str]]
    app: AppDef
    token: str = field(default_factory=random_id)

    def __str__(self) -> str:
        from torchx.util.masking import job_secrets, mask_text

        return mask_text(render(self), job_secrets(self.app))

    __repr__ = __str__


def build_request(
    app: AppDef, cfg: Mapping[str, CfgVal], *, app_id: str, app_folder: str, images: ImageProvider
) -> PopenRequest:
    """Translates a job.

    Args:
        app: the job.
        cfg: resolved options.
        app_id: its new id.
        app_folder: where the job's files go by default.
        images: finds the roles' images.

    Raises:
        UsageError: the job can't run here, whatever happens.
    """
    check_roles(app)
    _check_number(app)
    opts = Opts.from_cfg(cfg)
    logs = (
        os.path.join(os.path.abspath(os.path.expanduser(opts.log_dir)), app_id)
        if opts.log_dir
        else os.path.join(app_folder, "logs")
    )
    request = PopenRequest(app_id=app_id, log_dir=logs, role_params={}, role_log_dirs={}, app=app)
    gpus = _gpus(app) if opts.auto_set_cuda_visible_devices else {}
    for role in app.roles:
        if role.mounts:
            _warn_of_mounts(role)
        img_root = images.fetch_role(role)
        folder = os.path.join(logs, folder_name(role.name))
        dirs = [f"{folder}/{k}" for k in range(role.num_replicas)]
        request.role_log_dirs[role.name] = dirs
        filled = _filled(role, app_id, img_root, len(dirs))
        request.role_params[role.name] = [
            _replica(role, replica, log_dir, img_root, images, cfg)
            for replica, log_dir in zip(filled, dirs, strict=True)
        ]
        for param, devices in zip(request.role_params[role.name], gpus.get(role.name, ()), strict=False):
            param.env.setdefault("CUDA_VISIBLE_DEVICES", devices)
    return request


def _check_number(app: AppDef) -> None:
    """Before anything is made for each of them."""
    wanted = sum(role.num_replicas for role in app.roles)
    if wanted <= _ALWAYS_POSSIBLE:
        return
    from torchx.schedulers._local.limits import most_replicas

    most = max(most_replicas(), _ALWAYS_POSSIBLE)
    if wanted > most:
        raise UsageError(
            f"the job has {wanted} replicas; on this machine {most} are possible",
            hint="lower their number, or raise the hard limit of open files (`ulimit -Hn`)",
        )


def _warn_of_mounts(role: Role) -> None:
    """Says which mounts of a role its processes will not see: all but what is there already, at the same path."""
    from torchx.specs.api import BindMount, DeviceMount

    missing = [
        mount.dst_path
        for mount in role.mounts
        if not isinstance(mount, (BindMount, DeviceMount))
        or os.path.realpath(mount.src_path) != os.path.realpath(mount.dst_path)
        or not os.path.exists(mount.dst_path)
    ]
    if missing:
        import logging

        logging.getLogger(__name__).warning(
            "this scheduler mounts nothing: role `%s` will not find %s",
            role.name,
            ", ".join(f"`{path}`" for path in missing),
        )


def _gpus(app: AppDef) -> dict[str, list[str]]:
    from torchx.schedulers._local.gpus import assign_gpus, count_gpus

    return assign_gpus(app, count_gpus())


def _filled(role: Role, app_id: str, img_root: str, count: int) -> list[Role]:
    """The role of each replica, macros replaced; one for all where no text names the replica."""

    def fill(replica_id: str) -> Role:
        return macros.Values(img_root, app_id, replica_id, ENV_RANK0_HOST).apply(role)

    texts = (role.entrypoint, *role.args, *role.env.values())
    if any(macros.replica_id in text for text in texts):
        return [fill(str(k)) for k in range(count)]
    return [fill("0")] * count


def _replica(
    role: Role, filled: Role, log_dir: str, img_root: str, images: ImageProvider, cfg: Mapping[str, CfgVal]
) -> ReplicaParam:
    env = dict(filled.env)
    env.setdefault(ENV_RANK0_HOST, "localhost")
    env.setdefault(ENV_ERROR_FILE, f"{log_dir}/{ERROR_FILE}")
    in_front = images.get_path(img_root, cfg)
    if in_front:
        env["PATH"] = in_front + os.pathsep + env.get("PATH", os.environ.get("PATH", os.defpath))
    return ReplicaParam(
        args=[images.get_entrypoint(img_root, filled), *filled.args],
        env=env,
        stdout=f"{log_dir}/{STDOUT_LOG}",
        stderr=f"{log_dir}/{STDERR_LOG}",
        combined=f"{log_dir}/{COMBINED_LOG}",
        cwd=images.get_role_cwd(role, img_root),
    )


def render(request: PopenRequest) -> str:
    """The request as YAML-like text, secrets included."""
    from torchx.util.shlex import join

    lines = [f"app_id: {request.app_id}", f"log_dir: {request.log_dir}", "roles:"]
    for name, replicas in request.role_params.items():
        lines.append(f"  {name}:")
        for k, replica in enumerate(replicas):
            lines += [
                f"    - replica: {k}",
                f"      cmd: {join(replica.args)}",
                f"      cwd: {replica.cwd}",
                "      env:",
            ]
            lines += [f"        {key}={value}" for key, value in replica.env.items()]
    return "\n".join(lines)


def to_record(request: PopenRequest, *, session: str, programs: Mapping[str, list[str]]) -> dict[str, Any]:
    """The request as the supervisor reads it.

    Args:
        request: the job.
        session: the session that submits it.
        programs: role name to the absolute path of each replica's program.
    """
    return {
        "version": 1,
        "token": request.token,
        "app_id": request.app_id,
        "session": session,
        "log_dir": request.log_dir,
        "name": request.app.name,
        "metadata": dict(request.app.metadata),
        "roles": [
            {
                "name": role.name,
                "max_retries": role.max_retries,
                "retry_policy": role.retry_policy.value,
                "spec": role_record(role),
                "replicas": [
                    {
                        "executable": program,
                        "args": param.args,
                        "env": param.env,
                        "cwd": param.cwd or os.getcwd(),
                        "log_dir": log_dir,
                        "error_file": param.env[ENV_ERROR_FILE],
                    }
                    for program, param, log_dir in zip(
                        programs[role.name],
                        request.role_params[role.name],
                        request.role_log_dirs[role.name],
                        strict=True,
                    )
                ],
            }
            for role in request.app.roles
        ],
    }
