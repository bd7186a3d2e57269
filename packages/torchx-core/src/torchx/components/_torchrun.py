"""The role that starts a program on all nodes with ``torchrun``.

Nothing that a user wrote becomes part of shell code: ``torchrun`` gets it as words of their own. Where the host of
replica 0 must be taken from the environment, a fixed line of shell does that, and passes on the words as they are.
"""

from __future__ import annotations

from torchx.components.structured_arg import StructuredArgumentError
from torchx.errors import UsageError
from torchx.specs.api import Role, macros, parse_mounts
from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchx.specs.api import Resource

_SHAPE = r"(?:(?:([0-9]{1,9}):)?([0-9]{1,9})x)?([0-9]{1,9})"

ENV_EXPERIMENT_NAME = "TORCHX_TRACKING_EXPERIMENT_NAME"

DEBUG_ENV = {
    "CUDA_LAUNCH_BLOCKING": "1",
    "NCCL_DEBUG": "INFO",
    "TORCH_CPP_LOG_LEVEL": "INFO",
    "TORCH_DISTRIBUTED_DEBUG": "DETAIL",
    "TORCH_NCCL_DESYNC_DEBUG": "1",
    "TORCH_SHOW_CPP_STACKTRACES": "1",
}
"""Set by ``--debug``: kernels run one by one, collectives are checked and traced, C++ stacks are shown."""


ENV_RANK0_PORT = "TORCHX_RANK0_PORT"
"""The port at which the nodes meet where the scheduler chooses one, and the user has not."""

DEFAULT_PORT = 29500


class ProgramError(UsageError, ValueError):
    """What to run is not given, or given twice."""


@dataclass(frozen=True)
class Shape:
    """The number of nodes and processes of a job.

    Attributes:
        min_nnodes: the job goes on while it has so many nodes.
        max_nnodes: the number of nodes that it is started on.
        nproc_per_node: number of processes on each node.
        nnodes_rep: the number of nodes as ``torchrun --nnodes`` takes it.
    """

    min_nnodes: int
    max_nnodes: int
    nproc_per_node: int
    nnodes_rep: str


@dataclass(frozen=True)
class Rendezvous:
    """How the nodes meet.

    Attributes:
        backend: see ``torchrun --rdzv_backend``.
        port: the port on the host of replica 0; the default gives way to one that the scheduler has chosen. A job of
            one node takes a free one instead.
        conf: see ``torchrun --rdzv_conf``.
    """

    backend: str = "c10d"
    port: int = DEFAULT_PORT
    conf: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise StructuredArgumentError(f"there is no port {self.port}", hint="--rdzv_port takes 1 to 65535")


def parse_shape(j: str) -> Shape:
    """Reads ``NxP``, ``P`` or ``MIN:NxP``.

    Raises:
        StructuredArgumentError: the string is malformed.
    """
    import re

    match = re.fullmatch(_SHAPE, j)
    if match is None:
        raise _bad_shape(j)
    nproc = int(match[3])
    maximum = int(match[2] or 1)
    minimum = int(match[1] or maximum)
    if not 0 < minimum <= maximum or nproc < 1:
        raise _bad_shape(j)
    return Shape(minimum, maximum, nproc, f"{minimum}:{maximum}" if match[1] else str(maximum))


def _bad_shape(j: str) -> StructuredArgumentError:
    return StructuredArgumentError(
        f"malformed number of processes {j!r}",
        hint="write `-j NxP` (nodes x processes each), `-j P`, or `-j MIN:NxP` for an elastic job",
    )


def torchrun_role(
    *,
    name: str,
    image: str,
    program: Sequence[str],
    shape: Shape,
    resource: Resource,
    rendezvous: Rendezvous,
    tee: int,
    env: dict[str, str],
    max_retries: int,
    mounts: list[str] | None,
) -> Role:
    """A role of one replica per node, each a ``torchrun`` of the program.

    Args:
        name: the name of the role.
        image: its image.
        program: what torchrun runs, see :py:func:`program_words`.
        shape: how many of them.
        resource: what a node needs.
        rendezvous: how the nodes meet.
        tee: which streams of the processes are shown and kept: 0 none, 1 stdout, 2 stderr, 3 both.
        env: the environment.
        max_retries: how often a failed job is started again.
        mounts: see :py:func:`torchx.specs.parse_mounts`.
    """
    if tee not in range(4):
        raise StructuredArgumentError(f"unknown number of --tee: {tee}", hint="0 nothing, 1 stdout, 2 stderr, 3 both")
    is_elastic = shape.min_nnodes < shape.max_nnodes
    options = [
        f"--rdzv_backend={rendezvous.backend}",
        f"--rdzv_id={macros.app_id}",
        f"--nnodes={shape.nnodes_rep}",
        f"--nproc_per_node={shape.nproc_per_node}",
        f"--tee={tee}",
        "--role=",  # it only lengthens the prefix of each log line
    ]
    if rendezvous.backend == "static":
        options.append(f"--node_rank={macros.replica_id}")
    if is_elastic:
        # When a node leaves, the processes of the others fail and are started again: once for each that may be missing.
        options.append(f"--max_restarts={max_retries + shape.max_nnodes - shape.min_nnodes}")
    entrypoint, args = _command(shape, rendezvous, [*options, *program])
    return Role(
        name=name,
        image=image,
        min_replicas=shape.min_nnodes if is_elastic else None,
        entrypoint=entrypoint,
        args=args,
        env=env,
        num_replicas=shape.max_nnodes,
        max_retries=max_retries,
        resource=resource,
        port_map={"c10d": rendezvous.port},
        mounts=parse_mounts(mounts or []),
    )


def _command(shape: Shape, rendezvous: Rendezvous, words: list[str]) -> tuple[str, list[str]]:
    conf = [f"--rdzv_conf={rendezvous.conf}"] if rendezvous.conf else []
    if shape.max_nnodes == 1 and rendezvous.backend == "c10d":
        # Port 0: any free one, so that jobs on one machine do not meet each other.
        return "torchrun", ["--rdzv_endpoint=localhost:0", *conf, *words]
    # The defaults are for schedulers that do not set the variables.
    host = "${" + macros.rank0_env + ":-localhost}"
    port = f"{rendezvous.port:d}"
    if rendezvous.port == DEFAULT_PORT:
        port = "${" + ENV_RANK0_PORT + f":-{port}" + "}"
    code = f'exec "$0" "--rdzv_endpoint={host}:{port}" "$@"'
    if shape.min_nnodes < shape.max_nnodes and rendezvous.backend == "c10d":
        # Where all nodes are one machine any of them could become the host; that of replica 0 is promised to users.
        is_host = f"is_host=$(({macros.replica_id} == 0))"
        code = f'conf=$1; shift; exec "$0" "--rdzv_endpoint={host}:{port}" "${{conf}}{is_host}" "$@"'
        conf = [f"--rdzv_conf={rendezvous.conf}," if rendezvous.conf else "--rdzv_conf="]
    return "sh", ["-c", code, "torchrun", *conf, *words]


def program_words(script: str | None, m: str | None, args: Sequence[str]) -> list[str]:
    """The program and its arguments as ``torchrun`` takes them.

    Raises:
        ProgramError: not exactly one of script and module is given.
    """
    if bool(script) == bool(m):
        if script:
            raise ProgramError("both a script and a module are given", hint="leave out one of `--script` and `-m`")
        raise ProgramError("neither a script nor a module is given", hint="add one of `--script FILE` and `-m MODULE`")
    if script:
        # What starts with `-` would be taken for an option.
        return [f"./{script}" if script.startswith("-") else script, *args]
    assert m is not None
    if m.startswith("-"):
        raise ProgramError(f"malformed module name {m!r}")
    return ["-m", m, *args]


def job_env(env: dict[str, str] | None, experiment_name: str, debug: bool) -> dict[str, str]:
    """The job's environment; what the user sets wins."""
    return {ENV_EXPERIMENT_NAME: experiment_name, **(DEBUG_ENV if debug else {}), **(env or {})}
