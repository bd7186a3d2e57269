"""What no backend can run, found before anything is sent."""

from __future__ import annotations

from torchx.errors import UsageError
from torchx.specs.api import MISSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchx.specs.api import AppDef, Role


def check_roles(app: AppDef) -> None:
    """Checks that roles have names of their own, and each of them something to run: see `check_role`."""
    seen = set()
    for role in app.roles:
        if role.name in seen:
            raise UsageError(f"two roles are named `{role.name}`", hint="give each role a name of its own")
        seen.add(role.name)
        check_role(role)


def check_role(role: Role) -> None:
    """Checks what becomes a replica's command and environment.

    Raises:
        UsageError: a role has no entrypoint or no replica, or something that no process can be given.
    """
    if role.entrypoint in (MISSING, ""):
        raise UsageError(f"role `{role.name}` has no entrypoint", hint="set the program to run: Role(entrypoint=...)")
    if role.num_replicas < 1:
        raise UsageError(f"role `{role.name}` has {role.num_replicas} replicas", hint="num_replicas must be at least 1")
    # Values are not shown: they may be secret.
    for what, text in role_texts(role):
        if not isinstance(text, str):
            raise UsageError(
                f"role `{role.name}`: {what} must be a string, not {type(text).__name__}", hint="write it in quotes"
            )
        if "\0" in text:
            raise UsageError(f"role `{role.name}`: {what} holds a NUL character, which no process can be given")
    for name in role.env:
        if not name or "=" in name:
            raise UsageError(f"role `{role.name}`: {name!r} can't be the name of an environment variable")


def check_unicode(role: Role) -> None:
    """Checks that a role's texts are Unicode, for backends whose requests are JSON.

    Raises:
        UsageError: one holds bytes that are no UTF-8 (surrogates, as Python reads them from the command line).
    """
    for what, text in role_texts(role):
        try:
            str(text).encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"role `{role.name}`: {what} holds bytes that are no UTF-8, which this scheduler can't carry",
                hint="pass them encoded, or in a file",
            ) from None


def role_texts(role: Role) -> Iterator[tuple[str, object]]:
    """All that a process is given, each with what it is, in words."""
    yield "the entrypoint", role.entrypoint
    yield from ((f"argument {i}", arg) for i, arg in enumerate(role.args, 1))
    for name, value in role.env.items():
        yield f"the environment variable's name {name!r}", name
        yield f"the environment variable {name!r}", value
