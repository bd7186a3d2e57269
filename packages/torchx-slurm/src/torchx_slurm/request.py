"""An ``AppDef`` as a Slurm job: pure, nothing is contacted."""

from __future__ import annotations

from copy import copy

from torchx.schedulers.batch.dir_workspace import workspace_copy
from torchx.schedulers.batch.quoting import APP_ID, REPLICA, one_line
from torchx.schedulers.batch.replica import ENV_RANK0_HOST, ReplicaCommand, replica_script
from torchx.schedulers.batch.replica_states import LOGS_FOLDER
from torchx.schedulers.batch.request import BATCH_LOG, SCRIPT_FILE, BatchRequest
from torchx.schedulers.role_checks import check_roles
from torchx.specs.api import AppDef, BindMount, CfgVal, DeviceMount, RetryPolicy, Role, VolumeMount, macros
from torchx.util.folder_names import folder_name
from torchx.util.light_dataclass import dataclass, field
from torchx.util.shlex import join
from torchx_slurm.commandline import Overlays, option_words, sets
from torchx_slurm.containers import apptainer_words, check_folder, check_image, check_mounts, pyxis_options, runtime
from torchx_slurm.left_out import warn
from torchx_slurm.opts import Opts, check_folder_name, check_options
from torchx_slurm.resources import resource_options
from torchx_slurm.script import RoleStep, batch_script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Options = dict[str, Any]

KEY_PREFIX = "torchx:"
"""Begins the comment of every job; the job's key follows."""

MAX_NAME = 128
"""Characters of a job's name; the accounting database keeps 255 bytes."""


@dataclass
class SlurmRoleRequest:
    """One role of a job: a component of it, whose tasks are the role's replicas.

    Attributes:
        name: the role's name.
        replicas: how many tasks.
        command: what each of them runs.
        sbatch: options of ``sbatch`` for the component, by name without dashes: a text or number, True for an option
            without a value, a list for one that is given several times, None for one that is left out.
        srun: options of ``srun`` for the role, alike.
        restarts: how often the role is started again in its place.
        requeues: how often its failure puts the job back into the queue.
    """

    name: str
    replicas: int
    command: ReplicaCommand
    sbatch: dict[str, Any]
    srun: dict[str, Any]
    restarts: int = 0
    requeues: int = 0


@dataclass
class SlurmBatchRequest(BatchRequest):
    """A job for ``sbatch``.

    Attributes:
        roles: its components.
        push: images that are pushed first, and the name of the workspace builder that does it.
    """

    roles: list[SlurmRoleRequest] = field(default_factory=list)
    push: tuple[str, Any] | None = None

    def argv(self, folder: str) -> list[str]:
        """The command that submits the job.

        Args:
            folder: the absolute path of the job's folder.
        """
        argv = ["sbatch", "--parsable"]
        for index, role in enumerate(self.roles):
            argv += [":"] if index else []
            own = {} if sets(role.sbatch, "output") else {"output": f"{_pattern(folder)}/{BATCH_LOG}"}
            argv += option_words({**role.sbatch, **own})
        return [*argv, f"{folder}/{SCRIPT_FILE}"]

    def record(self) -> dict[str, Any]:
        # Copies of workspaces stay as long as a record names them.
        return {**super().record(), "folders": [*dict.fromkeys(r.command.cwd for r in self.roles if r.command.cwd)]}

    def scripts(self, folder: str) -> dict[str, str]:
        logs = [f"{folder}/{LOGS_FOLDER}/{folder_name(role.name)}" for role in self.roles]
        steps = [
            RoleStep(option_words(role.srun), logs[index], role.restarts, role.requeues)
            for index, role in enumerate(self.roles)
        ]
        scripts = {SCRIPT_FILE: batch_script(steps, folder=folder)}
        for index, role in enumerate(self.roles):
            scripts[f"role-{index}.sh"] = replica_script(
                role.command, logs=logs[index], replica='"$SLURM_PROCID"', role=index
            )
        return scripts

    def render(self) -> str:
        where = f"# on {self.host}\n" if self.host else ""
        for role in self.app.roles:
            ports = ", ".join(f"{one_line(name)} {port}" for name, port in role.port_map.items())
            where += f"# {one_line(role.name)}: ports of its nodes: {ports}\n" if ports else ""
        return f"{where}{join(self.argv(self.folder))}\n{BatchRequest.render(self)}"


def build_request(app: AppDef, cfg: Mapping[str, CfgVal], *, key: str, folder: str) -> SlurmBatchRequest:
    """Translates a job.

    Args:
        app: the job.
        cfg: resolved options.
        key: its unique name.
        folder: where its files will be.

    Raises:
        UsageError: the job can't run on Slurm, whatever happens.
    """
    opts = Opts.from_cfg(cfg)
    check_options(opts)
    check_folder_name(folder)
    container = runtime(opts.container, opts.workspace_type)
    common = _common_options(app, opts, key)
    request = SlurmBatchRequest(key=key, folder=folder, app=app)
    overlays = Overlays()
    check_roles(app)
    for role in app.roles:
        check_mounts(_with_plain_mounts(role), container)
        check_image(role, container)
        request.roles.append(_role_request(app, role, opts, common, container, folder, overlays))
    warn(request, container, host=opts.ssh_host)
    requeue = "requeue" if any(role.requeues for role in request.roles) else "no-requeue"
    for component in request.roles:
        if not {"requeue", "no-requeue"} & {*component.sbatch}:
            component.sbatch[requeue] = True
    return request


def _with_plain_mounts(role: Role) -> Role:
    """A role whose mounts tell the same paths without slashes at their ends."""
    plain = copy(role)
    plain.mounts = [_plain(mount) for mount in role.mounts]
    return plain


def _plain(mount: BindMount | VolumeMount | DeviceMount) -> BindMount | VolumeMount | DeviceMount:
    if isinstance(mount, VolumeMount):
        return mount
    plain = copy(mount)
    plain.src_path, plain.dst_path = (path.rstrip("/") or path[:1] for path in (mount.src_path, mount.dst_path))
    return plain


def _role_request(
    app: AppDef, role: Role, opts: Opts, common: Options, container: str | None, folder: str, overlays: Overlays
) -> SlurmRoleRequest:
    folder_image = role.image if role.image.startswith("/") and container is None else None
    code = workspace_copy(role) if container else None
    if container:
        check_folder(role, folder, code)
    values = macros.Values(
        img_root=folder_image or ("" if container else "."), app_id=APP_ID, replica_id=REPLICA, rank0_env=ENV_RANK0_HOST
    )
    filled = values.apply(role)
    command = ReplicaCommand([filled.entrypoint, *filled.args], dict(filled.env), cwd=code or folder_image)
    resources = resource_options(role, opts)
    request = SlurmRoleRequest(role.name, role.num_replicas, command, {**common, **resources}, {})
    request.srun = {
        **{name: resources[name] for name in ("ntasks", "cpus-per-task", "gpus-per-task") if name in resources},
        "kill-on-bad-exit": 1,
        "export": "ALL",
        "input": "none",
    }
    if container == "pyxis":
        request.srun.update(pyxis_options(filled, folder, code))
    elif container == "apptainer":
        command.prefix = apptainer_words(filled, code)
    _set_retries(request, role)
    # In options that are file names, Slurm puts the job's id for %j; there is no replica to speak of yet.
    values = macros.Values(img_root=values.img_root, app_id="%j", replica_id="%t", rank0_env=ENV_RANK0_HOST)
    overlays.apply(app, role, sbatch=request.sbatch, srun=request.srun, values=values)
    return request


def _set_retries(request: SlurmRoleRequest, role: Role) -> None:
    if role.retry_policy is RetryPolicy.REPLICA:
        request.command.retries = role.max_retries
    elif role.retry_policy is RetryPolicy.ROLE:
        request.restarts = role.max_retries
    else:
        request.requeues = role.max_retries


def _common_options(app: AppDef, opts: Opts, key: str) -> Options:
    comment = f"{KEY_PREFIX}{key}"
    options: Options = {
        "job-name": one_line(app.name)[:MAX_NAME] or "torchx",
        "comment": f"{comment} {one_line(opts.comment)}" if opts.comment else comment,
        "open-mode": "append",
    }
    for name in ("account", "partition", "qos", "time", "constraint", "mail_user", "mail_type"):
        value = getattr(opts, name)
        if value is not None:
            options[name.replace("_", "-")] = value
    return options


def _pattern(path: str) -> str:
    """A path as a file name pattern of sbatch, in which ``%`` has a meaning."""
    return path.replace("%", "%%")
