"""Options of ``sbatch`` and ``srun``: as words of a command line, and which of them an overlay may set."""

from __future__ import annotations

import re

from torchx.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torchx.specs.api import AppDef, Role, macros
    from torchx.specs.overlays import OverlaySpec

    Options = dict[str, Any]

_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9-]*")

_NO_JOB = ("help", "usage", "version")
"""Options with which a command prints something and does nothing."""

_SBATCH = ("parsable", "wrap", "array", "wait", "test-only", "comment", "ntasks", "clusters", *_NO_JOB)
_SRUN = ("ntasks", "het-group", "clusters", *_NO_JOB)
"""What no overlay may set. Of a job on another cluster than that of the configuration nobody would know later where to
ask for it: ids are those of a cluster."""

_LETTERS = {
    "a": "array",
    "h": "help",
    "M": "clusters",
    "n": "ntasks",
    "o": "output",
    "u": "usage",
    "V": "version",
    "W": "wait",
}
"""One-letter names of options (``man sbatch``)."""

_MEMORY = ("mem", "mem-per-gpu")
"""Options that take the place of ``mem-per-cpu``: Slurm takes one of the three."""


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Options as words of a command line.

    >>> option_words({"ntasks": 2, "exclusive": True, "mail-user": None, "C": "fast"})
    ['--ntasks=2', '--exclusive', '-C', 'fast']
    """
    words: list[str] = []
    for name, value in options.items():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if item is None or item is False:
                continue
            if len(name) == 1:
                words += [f"-{name}"] if item is True else [f"-{name}", str(item)]
            else:
                words.append(f"--{name}" if item is True else f"--{name}={item}")
    return words


def sets(options: Mapping[str, Any], wanted: str) -> bool:
    """Whether options set one of them, by its name, the beginning of that, or its letter.

    >>> sets({"o": "/x"}, "output"), sets({"outp": "/x"}, "output"), sets({"open-mode": "append"}, "output")
    (True, True, False)
    """
    return any(
        value not in (None, False) and (_LETTERS.get(name) == wanted or (len(name) > 1 and wanted.startswith(name)))
        for name, value in options.items()
    )


class Overlays:
    """The overlays of a job, which are applied to the options of one role after the other."""

    def __init__(self) -> None:
        from torchx.specs.overlays import OverlaySpec

        self._sbatch = OverlaySpec("slurm", "sbatch", _SBATCH)
        self._srun = OverlaySpec("slurm", "srun", _SRUN)

    def apply(self, app: AppDef, role: Role, *, sbatch: Options, srun: Options, values: macros.Values) -> None:
        """Changes the options of a role as the overlays of the job and the role say.

        Raises:
            UsageError: what they set is no option, or one that the job's own must not be changed in.
        """
        for overlay, options in ((self._sbatch, sbatch), (self._srun, srun)):
            before = dict(options)
            overlay.apply(options, app, role, values=values)
            _check_names(role.name, options)
            _check_short_names(role.name, {*options} - {*before}, overlay)
            ours = options.get("mem-per-cpu") == before.get("mem-per-cpu")
            if ours and any(options.get(name) is not None for name in _MEMORY):
                options.pop("mem-per-cpu", None)


def _check_names(role: str, options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if not _OPTION.fullmatch(name):
            raise UsageError(f"role `{role}`: {name!r} is no option of Slurm", hint="write it without dashes in front")
        if isinstance(value, dict) or "\0" in str(value):
            raise UsageError(f"role `{role}`: the Slurm option `{name}` wants a text, a number, true, null or a list")


def _check_short_names(role: str, names: set[str], overlay: OverlaySpec) -> None:
    """Refuses other names of options that no overlay may set: Slurm knows an option by the beginning of its name."""
    refused = overlay.blocklist
    for name in names:
        letter = _LETTERS.get(name)
        meant = [full for full in refused if full == letter or (len(name) > 1 and full.startswith(name))]
        if meant and not (letter == "usage" and "wait" not in refused):  # to srun, `-u` is another option
            raise UsageError(
                f"role `{role}`: the Slurm option `{name}` is short for `{meant[0]}`, which torchx sets itself",
                hint="leave it out, or write the full name of another option",
            )
