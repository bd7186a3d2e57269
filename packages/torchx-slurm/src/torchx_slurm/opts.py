"""Options of the ``slurm`` scheduler."""

from __future__ import annotations

import re

from torchx.errors import UsageError
from torchx.schedulers.structured_opts import StructuredOpts
from torchx.util.light_dataclass import dataclass

# https://slurm.schedmd.com/sbatch.html#OPT_time
_TIME = re.compile(r"(\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2}|UNLIMITED|INFINITE)", re.IGNORECASE | re.ASCII)


@dataclass
class Opts(StructuredOpts):
    """Options of the ``slurm`` scheduler; those that Slurm has too mean what ``man sbatch`` says."""

    account: str | None = None
    """Account to charge (sbatch --account)."""

    partition: str | None = None
    """Partition to run in (sbatch --partition)."""

    time: str | None = None
    """Time limit (sbatch --time): minutes, m:s, h:m:s, d-h, d-h:m or d-h:m:s."""

    comment: str | None = None
    """Comment on the job (sbatch --comment); TorchX puts the job's key in front of it."""

    constraint: str | None = None
    """Features that the nodes must have (sbatch --constraint)."""

    mail_user: str | None = None
    """Who gets mail about the job (sbatch --mail-user)."""

    mail_type: str | None = None
    """What there is mail about, e.g. END,FAIL (sbatch --mail-type)."""

    job_dir: str | None = None
    """Folder on the shared file system below which the workspace's copies and the jobs' logs are. Default: the logs are
    under TORCHX_HOME and no workspace is copied."""

    qos: str | None = None
    """Quality of service (sbatch --qos)."""

    workspace_type: str = "dir"
    """How local code gets into the job: dir (a copy in job_dir), or an image builder (docker, oci) where the site runs
    containers."""

    image_repo: str | None = None
    """Repository that images with the workspace are pushed to, for image builders."""

    quiet: bool = False
    """Show no progress of image builds."""

    container: str | None = None
    """How the site runs a role's image: pyxis or apptainer. Default: images are folders; with an image builder,
    pyxis."""

    gpus_by: str = "task"
    """How GPUs are asked for: task (--gpus-per-task), or gres (--gres=gpu:N, one replica a node) on sites without
    that."""

    ssh_host: str | None = None
    """Login node to submit from over SSH. Default: Slurm's commands on this machine."""


def check_options(opts: Opts) -> None:
    """Refuses options that could not hold, whatever the site.

    Raises:
        UsageError: names the option.
    """
    for name in ("account", "partition", "qos", "time", "constraint", "mail_user", "mail_type", "job_dir", "ssh_host"):
        value = getattr(opts, name)
        if value is not None and (not value.strip() or not value.isprintable()):
            raise UsageError(f"scheduler option `{name}`: {value!r} is empty or holds a line end or control character")
    if opts.time is not None and not _TIME.fullmatch(opts.time):
        raise UsageError(
            f"scheduler option `time`: `{opts.time}` is no time limit of Slurm",
            hint="minutes, m:s, h:m:s, d-h, d-h:m or d-h:m:s, e.g. 1-12:00:00 for a day and a half",
        )
    if opts.gpus_by not in ("task", "gres"):
        raise UsageError(f"scheduler option `gpus_by`: `{opts.gpus_by}` is neither task nor gres")
    if opts.ssh_host is not None and opts.ssh_host.startswith("-"):
        raise UsageError(f"scheduler option `ssh_host`: `{opts.ssh_host}` is no host")
    if opts.job_dir is not None:
        check_folder_name(opts.job_dir)
    if opts.ssh_host is not None and opts.job_dir is not None and not opts.job_dir.startswith("/"):
        raise UsageError(
            f"scheduler option `job_dir`: `{opts.job_dir}` is no absolute path",
            hint="with ssh_host, name the folder on the login node from its root on",
        )


def check_folder_name(folder: str) -> None:
    """Refuses a job's folder that ``sbatch`` would take for another one.

    Raises:
        UsageError: names the folder.
    """
    if "\\" in folder:
        raise UsageError(
            f"the job's folder `{folder}` holds a backslash, which has a meaning of its own in sbatch's file names",
            hint="name another folder with job_dir",
        )
