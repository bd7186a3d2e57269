"""Values that only the scheduler knows, written as placeholders into a role."""

from __future__ import annotations

from torchx.specs._mounts import BindMount, DeviceMount, VolumeMount
from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from torchx.specs._app import Role

_NAMES = ("img_root", "base_img_root", "app_id", "replica_id", "rank0_env")
# `$${${rank0_env}...}` is how components escape the outer `$` of a shell expansion of the variable that the macro
# names. There, and only there, `$$` stands for `$`; anywhere else it is the user's.
_ESCAPED = "$${${rank0_env}"
_REACHED = frozenset({"entrypoint", "args", "env", "metadata", "mounts"})


class macros:
    """Placeholders that the scheduler replaces when a replica starts.

    They reach a role's ``entrypoint``, ``args``, ``env``, ``metadata`` (at every depth) and ``mounts``. All other
    text, ``$HOME``, ``$$`` and ``${UNKNOWN}`` included, stays as it is.

    >>> from torchx.specs import Role
    >>> role = Role("trainer", "img", entrypoint="train", args=["--job", macros.app_id, "--home", "$HOME"])
    >>> values = macros.Values(img_root="/img", app_id="job_1", replica_id="0", rank0_env="TORCHX_RANK0_HOST")
    >>> values.apply(role).args
    ['--job', 'job_1', '--home', '$HOME']

    ``rank0_env`` is replaced by the *name* of an environment variable; a shell expands it:

    >>> values.substitute("$" + macros.rank0_env)
    '$TORCHX_RANK0_HOST'
    >>> values.substitute("$${" + macros.rank0_env + ":=localhost}")
    '${TORCHX_RANK0_HOST:=localhost}'
    """

    img_root = "${img_root}"
    """Root folder of the pulled image."""
    base_img_root = "${base_img_root}"
    """Deprecated: the same as ``img_root``."""
    app_id = "${app_id}"
    """The scheduler's id of the job."""
    replica_id = "${replica_id}"
    """Index of the replica in its role, from 0."""
    rank0_env = "${rank0_env}"
    """Name of the environment variable that holds the host of replica 0; not every scheduler has it."""

    @dataclass
    class Values:
        """What the placeholders stand for in one replica."""

        img_root: str
        app_id: str
        replica_id: str
        rank0_env: str

        def apply(self, role: Role) -> Role:
            """A deep copy of a role with all placeholders replaced; the role itself stays as it is."""
            import copy

            from torchx.specs._overrides import share

            replica = copy.copy(role)
            values = vars(replica)
            for name, value in vars(role).items():
                if name in _REACHED:
                    # By getattr: an override wins over the plain value.
                    values[name] = self._fill(getattr(role, name))
                elif name != "overrides":
                    values[name] = copy.deepcopy(value)
            values["overrides"] = {k: v for k, v in share(role.overrides).items() if k not in _REACHED}
            return replica

        def substitute(self, arg: str) -> str:
            """A text with all placeholders replaced, in one pass: what a value holds is not read again."""

            if "${" not in arg:
                return arg
            done, *parts = arg.replace(_ESCAPED, _ESCAPED[1:]).split("${")
            for part in parts:
                name, brace, rest = part.partition("}")
                done += self._value(name) + rest if brace and name in _NAMES else "${" + part
            return done

        def _value(self, name: str) -> str:
            value: str = getattr(self, "img_root" if name == "base_img_root" else name)
            return value

        def _fill(self, value: Any) -> Any:
            """A deep copy of nested data with the placeholders in all its texts replaced; keys stay as they are."""
            if isinstance(value, str):
                return self.substitute(value)
            import copy

            if isinstance(value, dict):
                filled = copy.copy(value)
                filled.update({key: self._fill(item) for key, item in value.items()})
                return filled
            if isinstance(value, list):
                items = copy.copy(value)
                items[:] = [self._fill(item) for item in value]
                return items
            if type(value) is tuple:
                return tuple(self._fill(item) for item in value)
            other = copy.deepcopy(value)
            if isinstance(other, (BindMount, VolumeMount, DeviceMount)):
                for name, item in vars(other).items():
                    setattr(other, name, self._fill(item))
            return other
