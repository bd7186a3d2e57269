"""Whether what the caller passed is a job at all; what comes after may rely on it."""

from __future__ import annotations

from torchx.errors import UsageError
from torchx.specs.api import AppDef, Resource, RetryPolicy, Role, Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS: dict[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, (str, bytes)),
    "a list": lambda value: hasattr(value, "__iter__") and not isinstance(value, (str, bytes)) and not _is_dict(value),
    "a dict": lambda value: _is_dict(value),
    "a number": lambda value: isinstance(value, int),
    "a number or None": lambda value: value is None or isinstance(value, int),
    "a Resource": lambda value: isinstance(value, Resource),
    "a Workspace or None": lambda value: value is None or isinstance(value, Workspace),
    "a Workspace, a path or None": lambda value: value is None or isinstance(value, (Workspace, str)),
    "a RetryPolicy": lambda value: value in [*RetryPolicy],
}

_ROLE = {
    "name": "text",
    "image": "text",
    "entrypoint": "text",
    "args": "a list",
    "env": "a dict",
    "num_replicas": "a number",
    "min_replicas": "a number or None",
    "max_retries": "a number",
    "retry_policy": "a RetryPolicy",
    "resource": "a Resource",
    "port_map": "a dict",
    "metadata": "a dict",
    "mounts": "a list",
    "workspace": "a Workspace or None",
}
"""What the attributes of a role are; a text in place of a list, or of a number, is the usual mistake."""

_HINTS = {"a Workspace or None": "make one with Workspace.from_str(...)"}


def check_app(app: object) -> None:
    """Checks that this is a job with roles, each of which holds what a role holds.

    Raises:
        UsageError: it is not; says what stands where something else is expected.
    """
    if not isinstance(app, AppDef):
        raise UsageError(
            f"{_shown(app)} is not a job", hint="pass an AppDef; `run_component` takes the name of a component"
        )
    _expect("text", app.name, "the name of an app")
    _expect("a list", app.roles, f"`roles` of app `{app.name}`")
    _expect("a dict", app.metadata, f"`metadata` of app `{app.name}`")
    if not app.roles:
        raise UsageError(f"app `{app.name}` has no roles", hint="add at least one Role")
    for k, role in enumerate(app.roles):
        if not isinstance(role, Role):
            raise UsageError(f"roles[{k}] of app `{app.name}` is {_shown(role)}, not a Role")
        if vars(role).get("name") == "":
            raise UsageError(f"roles[{k}] of app `{app.name}` has no name", hint="give it one: Role(name=...)")
        _check_role(role)


def check_component(component: object, component_args: object) -> None:
    """Checks that this may be a component's name, with arguments.

    Raises:
        UsageError: it can't.
    """
    hint = "a registered name (`torchx builtins`), `file.py:function` or `module:function`"
    if not isinstance(component, str) or not component.strip():
        raise UsageError(f"{_shown(component)} is not the name of a component", hint=hint)
    if isinstance(component_args, dict):
        return
    what = f"the arguments of `{component}`"
    if not isinstance(component_args, (list, tuple)):
        raise UsageError(f"{what} are {_shown(component_args)}, not a list or a dict", hint='as ["--msg", "hi"]')
    for word in component_args:
        if not isinstance(word, str):
            hint = 'as on a command line, ["--num", "3"], or as a dict of values, {"num": 3}'
            raise UsageError(f"{what} hold {_shown(word)}, which is not text", hint=hint)


def check_cfg(cfg: object) -> None:
    """Checks that these are options by name.

    Raises:
        UsageError: they are not.
    """
    if cfg is None:
        return
    if not _is_dict(cfg):
        hint = "Runner.cfg_from_str(scheduler, text) reads text" if isinstance(cfg, str) else 'as {"option": value}'
        raise UsageError(f"the scheduler options are {_shown(cfg)}, not a dict", hint=hint)
    for name in cfg:  # type: ignore[attr-defined]  # it has keys
        if not isinstance(name, str):
            raise UsageError(f"{_shown(name)} is not the name of a scheduler option", hint="names are text")


def check_workspace(workspace: object) -> None:
    """Checks that this is a workspace, or names one.

    Raises:
        UsageError: it does not.
    """
    _expect("a Workspace, a path or None", workspace, "the workspace")


def _check_role(role: Role) -> None:
    # The attributes as they were given: what overrides make is made later, when it is read.
    given, instead = vars(role), role.overrides or {}
    for name, kind in _ROLE.items():
        if name in given and name not in instead:
            _expect(kind, given[name], f"`{name}` of role `{given['name']}`")
    if "max_retries" not in instead and given.get("max_retries", 0) < 0:
        raise UsageError(
            f"`max_retries` of role `{given['name']}` is {given['max_retries']}", hint="0 (never again) or more"
        )


def _expect(kind: str, value: object, what: str) -> None:
    if not _KINDS[kind](value):
        raise UsageError(f"{what} is {_shown(value)}, not {kind}", hint=_HINTS.get(kind))


def _is_dict(value: object) -> bool:
    return hasattr(value, "keys")


def _shown(value: object) -> str:
    """What stands there: itself where that is short, else what kind of thing it is."""
    text = repr(value)
    if len(text) > 60 or not (value is None or isinstance(value, (str, int, float))):
        return f"a {type(value).__name__}"
    from torchx.util.masking import mask_text

    return mask_text(text)
