"""Whether what the caller passed is a job at all; what comes after may rely on it."""

from __future__ import annotations

from torchx.errors import UsageError
from torchx.specs.api import AppDef, Role

_TEXT, _LIST, _DICT = "text", "a list", "a dict"

_ROLE = {
    "name": _TEXT,
    "image": _TEXT,
    "args": _LIST,
    "env": _DICT,
    "port_map": _DICT,
    "metadata": _DICT,
    "mounts": _LIST,
}
"""What the attributes of a role are; a text in place of a list is the usual mistake."""


def check_app(app: object) -> None:
    """Checks that this is a job with roles, each of which holds what a role holds.

    Raises:
        UsageError: it is not; says what stands where something else is expected.
    """
    if not isinstance(app, AppDef):
        raise UsageError(
            f"{_shown(app)} is not a job", hint="pass an AppDef; `run_component` takes the name of a component"
        )
    _expect(_TEXT, app.name, "the name of an app")
    _expect(_LIST, app.roles, f"`roles` of app `{app.name}`")
    _expect(_DICT, app.metadata, f"`metadata` of app `{app.name}`")
    if not app.roles:
        raise UsageError(f"app `{app.name}` has no roles", hint="add at least one Role")
    for k, role in enumerate(app.roles):
        if not isinstance(role, Role):
            raise UsageError(f"roles[{k}] of app `{app.name}` is {_shown(role)}, not a Role")
        _check_role(role)


def _check_role(role: Role) -> None:
    # The attributes as they were given: what overrides make is made later, when it is read.
    given, instead = vars(role), role.overrides or {}
    for name, kind in _ROLE.items():
        if name in given and name not in instead:
            _expect(kind, given[name], f"`{name}` of role `{given['name']}`")


def _expect(kind: str, value: object, what: str) -> None:
    text, mapping = isinstance(value, (str, bytes)), hasattr(value, "keys")
    fits = text if kind == _TEXT else mapping if kind == _DICT else hasattr(value, "__iter__") and not (text or mapping)
    if not fits:
        raise UsageError(f"{what} is {_shown(value)}, not {kind}")


def _shown(value: object) -> str:
    """What stands there: itself where that is short, else what kind of thing it is."""
    text = repr(value)
    if len(text) > 60 or not (value is None or isinstance(value, (str, int, float))):
        return f"a {type(value).__name__}"
    from torchx.util.masking import mask_text

    return mask_text(text)
