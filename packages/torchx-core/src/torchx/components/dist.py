"""Distributed training with PyTorch: ``torchrun`` on one or many nodes.

.. code-block:: console

    $ torchx run -s local_cwd dist.ddp -j 1x4 --script train.py -- --epochs 10
    $ torchx run -s kubernetes dist.ddp -j 2x8 -h aws_p4d.24xlarge -m my.trainer
    $ torchx run -s slurm dist.spmd -j 2 -h gpu.xlarge --script train.py

``-j`` takes ``NxP`` (N nodes with P processes each), ``P`` alone (one node), or ``MIN:NxP`` (elastic: where the
scheduler lets it, the job goes on while MIN nodes are left, the first one, at which they meet, among them). Arguments
of the program follow ``--``, or the first word that is not an option.
"""

from __future__ import annotations

import torchx
from torchx.components._resources import replica_resource
from torchx.components._torchrun import Rendezvous, Shape, job_env, parse_shape, program_words, torchrun_role
from torchx.components.structured_arg import StructuredJArgument, StructuredNameArgument, program_name
from torchx.specs import AppDef, resource


def spmd(
    *args: str,
    script: str | None = None,
    m: str | None = None,
    image: str = torchx.IMAGE,
    name: str = "/",
    h: str = "gpu.small",
    j: str = "1x1",
    env: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    max_retries: int = 0,
    mounts: list[str] | None = None,
    debug: bool = False,
) -> AppDef:
    """The same program on every GPU of every node (single program, multiple data).

    Args:
        args: arguments of the program
        script: the script to run
        m: the Python module to run
        image: image of the job, e.g. a container image
        name: name of the job as experiment/run; either may be empty
        h: named resource of a node
        j: {nodes}x{processes per node}; the latter is the number of the resource's GPUs where it is left out
        env: environment variables, as K1=V1,K2=V2
        metadata: metadata of the job, as K1=V1,K2=V2
        max_retries: how often a failed job is started again
        mounts: mounts, as type=bind,src=/host,dst=/job[,readonly][,type=...]
        debug: whether to set the environment that makes PyTorch and NCCL report more
    """
    nodes = StructuredJArgument.parse_from(h, j)
    shape = Shape(nodes.nnodes, nodes.nnodes, nodes.nproc_per_node, str(nodes.nnodes))
    program = program_words(script, m, args)
    named = StructuredNameArgument.parse_from(name, m, script)
    role = torchrun_role(
        name=get_role_name(script, m),
        image=image,
        program=program,
        shape=shape,
        resource=resource(h=h),
        rendezvous=Rendezvous(),
        tee=3,
        env=job_env(env, named.experiment_name, debug),
        max_retries=max_retries,
        mounts=mounts,
    )
    return AppDef(name=named.run_name, roles=[role], metadata=dict(metadata or {}))


def torchrun(
    *script_args: str,
    script: str | None = None,
    m: str | None = None,
    image: str = torchx.IMAGE,
    name: str = "/",
    h: str | None = None,
    cpu: int = 2,
    gpu: int = 0,
    memMB: int = 1024,
    j: str = "1x2",
    env: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    max_retries: int = 0,
    rdzv_port: int = 29500,
    rdzv_backend: str = "c10d",
    rdzv_conf: str | None = None,
    mounts: list[str] | None = None,
    debug: bool = False,
    tee: int = 3,
) -> AppDef:
    """A program started by torchrun on one or many nodes.

    Args:
        script_args: arguments of the program
        script: the script to run
        m: the Python module to run
        image: image of the job, e.g. a container image
        name: name of the job as experiment/run; either may be empty
        h: named resource of a node; wins over cpu, gpu and memMB
        cpu: number of cores of a node
        gpu: number of GPUs of a node
        memMB: memory of a node in MB
        j: {nodes}x{processes per node}, the latter alone for one node, or {min}:{nodes}x{processes} for an elastic job
        env: environment variables, as K1=V1,K2=V2
        metadata: metadata of the job, as K1=V1,K2=V2
        max_retries: how often a failed job is started again
        rdzv_port: port on the host of the first node at which the nodes meet; where the scheduler has chosen one
            (TORCHX_RANK0_PORT), the default gives way to that; one node alone takes a free port
        rdzv_backend: how the nodes meet
        rdzv_conf: further settings of the backend, as k1=v1,k2=v2
        mounts: mounts, as type=bind,src=/host,dst=/job[,readonly][,type=...]
        debug: whether to set the environment that makes PyTorch and NCCL report more
        tee: what of the processes' output is shown: 0 nothing, 1 stdout, 2 stderr, 3 both
    """
    shape = parse_shape(j)
    program = program_words(script, m, script_args)
    named = StructuredNameArgument.parse_from(name, m, script)
    role = torchrun_role(
        name=get_role_name(script, m),
        image=image,
        program=program,
        shape=shape,
        resource=replica_resource(cpu=cpu, gpu=gpu, memMB=memMB, h=h),
        rendezvous=Rendezvous(rdzv_backend, rdzv_port, rdzv_conf),
        tee=tee,
        env=job_env(env, named.experiment_name, debug),
        max_retries=max_retries,
        mounts=mounts,
    )
    return AppDef(name=named.run_name, roles=[role], metadata=dict(metadata or {}))


def ddp(
    *script_args: str,
    script: str | None = None,
    m: str | None = None,
    image: str = torchx.IMAGE,
    name: str = "/",
    h: str | None = None,
    cpu: int = 2,
    gpu: int = 0,
    memMB: int = 1024,
    j: str = "1x2",
    env: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    max_retries: int = 0,
    rdzv_port: int = 29500,
    rdzv_backend: str = "c10d",
    rdzv_conf: str | None = None,
    mounts: list[str] | None = None,
    debug: bool = False,
    tee: int = 3,
) -> AppDef:
    """Distributed data parallel training: the program, started by torchrun on one or many nodes.

    Args:
        script_args: arguments of the program
        script: the script to run
        m: the Python module to run
        image: image of the job, e.g. a container image
        name: name of the job as experiment/run; either may be empty
        h: named resource of a node; wins over cpu, gpu and memMB
        cpu: number of cores of a node
        gpu: number of GPUs of a node
        memMB: memory of a node in MB
        j: {nodes}x{processes per node}, the latter alone for one node, or {min}:{nodes}x{processes} for an elastic job
        env: environment variables, as K1=V1,K2=V2
        metadata: metadata of the job, as K1=V1,K2=V2
        max_retries: how often a failed job is started again
        rdzv_port: port on the host of the first node at which the nodes meet; where the scheduler has chosen one
            (TORCHX_RANK0_PORT), the default gives way to that; one node alone takes a free port
        rdzv_backend: how the nodes meet
        rdzv_conf: further settings of the backend, as k1=v1,k2=v2
        mounts: mounts, as type=bind,src=/host,dst=/job[,readonly][,type=...]
        debug: whether to set the environment that makes PyTorch and NCCL report more
        tee: what of the processes' output is shown: 0 nothing, 1 stdout, 2 stderr, 3 both
    """
    return torchrun(
        *script_args,
        script=script,
        m=m,
        image=image,
        name=name,
        h=h,
        cpu=cpu,
        gpu=gpu,
        memMB=memMB,
        j=j,
        env=env,
        metadata=metadata,
        max_retries=max_retries,
        rdzv_port=rdzv_port,
        rdzv_backend=rdzv_backend,
        rdzv_conf=rdzv_conf,
        mounts=mounts,
        debug=debug,
        tee=tee,
    )


def get_role_name(script: str | None, m: str | None) -> str:
    """The name of the role that runs a script or module: the script's base name, the module's last part.

    Raises:
        ValueError: neither is given.
    """
    return program_name(script, m)


def parse_nnodes(j: str) -> tuple[int, int, int, str]:
    """Reads the value of ``-j``.

    Returns:
        The least number of nodes, the number of nodes, the number of processes on each, and the nodes as
        ``torchrun --nnodes`` takes them.

    Raises:
        ValueError: the string is malformed.

    >>> parse_nnodes("1:2x4")
    (1, 2, 4, '1:2')
    """
    shape = parse_shape(j)
    return shape.min_nnodes, shape.max_nnodes, shape.nproc_per_node, shape.nnodes_rep
