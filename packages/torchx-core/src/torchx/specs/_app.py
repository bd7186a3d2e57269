"""The description of a job: an app of roles, and what a dry run of it would send."""

from __future__ import annotations

from enum import Enum
from reprlib import recursive_repr

from torchx.errors import UsageError, nearest
from torchx.specs._mounts import BindMount, DeviceMount, VolumeMount  # noqa: TC001  (see below)
from torchx.specs._resource import Resource, _null_resource
from torchx.specs._types import MISSING
from torchx.specs._workspace import Workspace  # noqa: TC001
from torchx.util.light_dataclass import dataclass, field
from torchx.util.light_generic import Generic, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable
    from typing import Any
else:
    # typing.get_type_hints(Role) must work, so all that fields are typed with exists at run time.
    Any = object

T = TypeVar("T")
C = TypeVar("C", default=Any)


def TORCHX_HOME(*subdir_paths: str) -> pathlib.Path:
    """The folder in which TorchX keeps its state: ``$TORCHX_HOME``, or ``~/.torchx``. It is not created.

    Args:
        subdir_paths: joined to the folder.

    Raises:
        UsageError: no home folder is known, and ``TORCHX_HOME`` is not set.
    """
    import pathlib

    from torchx.util.home import torchx_home

    return pathlib.Path(torchx_home(), *subdir_paths)


class UnknownRoleException(UsageError, KeyError):
    """An app has no role of that name."""


class RetryPolicy(str, Enum):
    """What is started again when a replica fails, while ``max_retries`` allows it."""

    REPLICA = "REPLICA"
    """The replica alone; for replicas that do not depend on each other."""
    APPLICATION = "APPLICATION"
    """The whole job."""
    ROLE = "ROLE"
    """All replicas of the role."""


class AppDryRunInfo(Generic[T, C]):
    """The native request that a scheduler would be sent. Its ``repr`` is the request made readable, secrets masked.

    ``AppDryRunInfo[Request]`` and ``AppDryRunInfo[Request, Config]`` are both valid types.

    Args:
        request: the request, in the scheduler's own type.
        fmt: makes the request readable.
    """

    def __init__(self, request: T, fmt: Callable[[T], str]) -> None:
        self.request = request
        self._fmt = fmt
        # Set by who makes the dry run; tools read them.
        self._app: AppDef | None = None
        self._cfg: C | None = None
        self._scheduler: str | None = None

    def __repr__(self) -> str:
        from torchx.util.masking import job_secrets, mask_text

        return mask_text(self._fmt(self.request), job_secrets(self._app, self._cfg))


_ROLE_DATA = ("image", "entrypoint", "args", "env", "metadata", "overrides")
"""The attributes of a role in which secrets are hidden by their names."""


@dataclass
class Role:
    """A set of equal replicas.

    Args:
        name: name of the role.
        image: what the replicas run in: a container image, a folder, whatever the scheduler takes.
        min_replicas: the least number of replicas the role may run with; None: all of them.
        entrypoint: the command.
        args: its arguments.
        env: environment variables.
        num_replicas: number of replicas.
        max_retries: how often what fails is started again.
        retry_policy: what is started again.
        resource: what each replica needs.
        port_map: port numbers by name.
        metadata: hints for particular schedulers.
        mounts: what is mounted into each replica.
        workspace: local projects that are put into the image.
        overrides: values that win over the attributes of the same names when these are read: the value itself, a
            function without arguments that makes it on the first read, or an awaitable.
    """

    name: str
    image: str
    min_replicas: int | None = None
    entrypoint: str = MISSING
    args: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    num_replicas: int = 1
    max_retries: int = 0
    retry_policy: RetryPolicy = RetryPolicy.APPLICATION
    resource: Resource = field(default_factory=_null_resource)
    port_map: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    mounts: list[BindMount | VolumeMount | DeviceMount] = field(default_factory=list)
    workspace: Workspace | None = None
    overrides: dict[str, Any] = field(default_factory=dict)

    def pre_proc(self, scheduler: str, dryrun_info: AppDryRunInfo[Any]) -> AppDryRunInfo[Any]:
        """Called once for each role when a dry run has made the request; a subclass may change the request here.

        Args:
            scheduler: name of the scheduler.
            dryrun_info: the dry run.

        Returns:
            The dry run to go on with.
        """
        return dryrun_info

    @recursive_repr("...")
    def __repr__(self) -> str:
        """As of any dataclass, with the secrets hidden: a job is often printed or logged."""
        from torchx.util.masked_repr import masked_repr
        from torchx.util.masking import role_secrets

        return masked_repr(self, data=_ROLE_DATA, secrets=role_secrets(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Role:
        import copy

        from torchx.specs._overrides import share

        clone = copy.copy(self)
        memo[id(self)] = clone
        for name, value in vars(self).items():
            clone.__dict__[name] = share(value) if name == "overrides" and value else copy.deepcopy(value, memo)
        return clone

    if not TYPE_CHECKING:

        def __getattribute__(self, name):
            overrides = object.__getattribute__(self, "__dict__").get("overrides")
            if overrides and name in overrides and name != "overrides":
                from torchx.specs._overrides import resolve

                return resolve(overrides, name)
            return object.__getattribute__(self, name)


@dataclass
class AppDef:
    """A job: one or more roles that run together.

    Args:
        name: name of the job.
        roles: its roles.
        metadata: facts about the job, handed to schedulers that can keep them.
    """

    name: str
    roles: list[Role] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)

    @recursive_repr("...")
    def __repr__(self) -> str:
        """As of any dataclass, with the secrets hidden, also where one role knows that of another."""
        from torchx.util.masked_repr import masked_repr
        from torchx.util.masking import role_secrets

        roles = [role for role in self.roles or () if isinstance(role, Role)]
        secrets = {secret for role in roles for secret in role_secrets(role)}
        return masked_repr(self, data=("metadata",), secrets=secrets)

    def get_role(self, name: str) -> Role:
        """The role of that name.

        Raises:
            UnknownRoleException: there is none; also a ``KeyError``.
        """
        for role in self.roles:
            if role.name == name:
                return role
        names = [role.name for role in self.roles]
        raise UnknownRoleException(
            f"app `{self.name}` has no role `{name}`",
            hint=nearest(name, names) or (f"its roles: {', '.join(names)}" if names else None),
        )

    def __getitem__(self, name: str) -> Role:
        return self.get_role(name)

    def __contains__(self, name: object) -> bool:
        return any(role.name == name for role in self.roles)
