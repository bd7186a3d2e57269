"""Arguments that carry several values in one string."""

from __future__ import annotations

from torchx.errors import UsageError
from torchx.util.light_dataclass import dataclass

_J = r"([0-9]{1,9})(?:x([0-9]{1,9}))?"


class StructuredArgumentError(UsageError, ValueError):
    """A string that should carry several values is malformed."""


@dataclass
class StructuredNameArgument:
    """The name of a job: ``{experiment}/{run}``.

    Attributes:
        experiment_name: what trackers file the run under.
        run_name: the name of the job.
    """

    experiment_name: str
    run_name: str

    @staticmethod
    def parse_from(
        name: str,
        m: str | None = None,
        script: str | None = None,
        default_experiment_name: str = "default-experiment",
    ) -> StructuredNameArgument:
        """Reads ``experiment/run``, ``experiment/``, ``/run``, ``run`` or ``/``.

        Args:
            name: the string.
            m: the module that is run; the run is called like it where ``name`` does not say.
            script: the script that is run; the same.
            default_experiment_name: the experiment where ``name`` does not say.

        >>> StructuredNameArgument.parse_from("vision/", script="train.py")
        StructuredNameArgument(experiment_name='vision', run_name='train')

        Raises:
            StructuredArgumentError: the string has more than one ``/``, or nothing tells the name of the run.
        """
        experiment, _, run = name.rpartition("/")
        if "/" in experiment:
            raise StructuredArgumentError(
                f"malformed name {name!r}", hint="write `experiment/run`, either may be empty"
            )
        return StructuredNameArgument(experiment or default_experiment_name, run or program_name(script, m))


def program_name(script: str | None, m: str | None) -> str:
    """The base name of a script, or the last part of a module's name.

    Raises:
        StructuredArgumentError: neither is given.
    """
    if script:
        base = script.rstrip("/").rpartition("/")[2]
        stem, dot, _ = base.rpartition(".")
        return stem if dot and stem else base
    if m:
        return m.rpartition(".")[2] or m
    raise StructuredArgumentError("neither a script nor a module is given", hint="add `--script FILE` or `-m MODULE`")


@dataclass
class StructuredJArgument:
    """The shape of a job: ``{nnodes}x{nproc_per_node}``.

    Attributes:
        nnodes: number of nodes.
        nproc_per_node: number of processes on each node.
    """

    nnodes: int
    nproc_per_node: int

    @staticmethod
    def parse_from(h: str, j: str) -> StructuredJArgument:
        """Reads ``NxP`` or ``N``.

        Args:
            h: the named resource of a node; it has as many processes as GPUs where ``j`` does not say.
            j: the string.

        Raises:
            StructuredArgumentError: the string is malformed, or the number of processes is not known.
        """
        import re

        match = re.fullmatch(_J, j)
        numbers = [int(number) for number in match.groups() if number] if match else []
        if not numbers or 0 in numbers:
            raise StructuredArgumentError(
                f"malformed number of processes {j!r}", hint="write `-j NxP` (nodes x processes each) or `-j N`"
            )
        return StructuredJArgument(numbers[0], numbers[1] if len(numbers) > 1 else _gpus(h, j))

    def __str__(self) -> str:
        return f"{self.nnodes}x{self.nproc_per_node}"


def _gpus(h: str, j: str) -> int:
    from torchx.specs import get_named_resources

    gpus = get_named_resources(h).gpu
    if gpus <= 0:
        raise StructuredArgumentError(
            f"the number of processes per node is not known: named resource `{h}` has no GPU",
            hint=f"write `-j {j}xP`",
        )
    return gpus
