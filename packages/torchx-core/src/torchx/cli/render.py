"""Jobs, statuses and requests as text and as JSON-serialisable data, secrets masked."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, TextIO

    from torchx.specs import AppDef, AppDryRunInfo, AppStatus, CfgVal

_MOUNT_TYPES = {"BindMount": "bind", "VolumeMount": "volume", "DeviceMount": "device"}
_USERS_MAPPINGS = frozenset({"projects", "env", "metadata"})
"""Fields whose keys are the user's."""

_BARE_SIGNS = frozenset("_./$%+~@:=,-")
_LEADING_SIGNS = frozenset("_./$%+~")
_YAML_WORDS = frozenset(["true", "false", "yes", "no", "on", "off", "null", "~", "y", "n"])


def to_plain(value: object) -> Any:
    """A value as what JSON can hold: dataclasses become mappings of their fields, enums their values.

    A mount tells its kind as ``type``. What has no such form becomes its text.
    """
    if value is None or (isinstance(value, (bool, float, str)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, int):
        return value
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(v) for v in value]
    names = _field_names(value)
    if names is None:
        return str(value)
    kind = _MOUNT_TYPES.get(type(value).__name__)
    plain = {name: to_plain(getattr(value, name)) for name in names if not name.startswith("_")}
    return {"type": kind, **plain} if kind else plain


def _field_names(value: object) -> list[str] | None:
    """The names of a dataclass's fields; None where the value is of no dataclass."""
    cls = type(value)
    if "__light_fields__" in vars(cls):
        from torchx.util.light_dataclass import light_fields

        return [f.name for f in light_fields(cls)]
    if not hasattr(cls, "__dataclass_fields__"):
        return None
    from dataclasses import fields

    return [f.name for f in fields(value)]  # type: ignore[arg-type]  # mypy does not know what was just checked


def app_to_plain(app: AppDef, *, show_secrets: bool = False) -> dict[str, Any]:
    """A job as JSON-serialisable data; ``torchx run --stdin`` reads it back.

    Args:
        app: the job.
        show_secrets: keep the values of environment variables and arguments whose names look like secrets.
    """
    plain: dict[str, Any] = to_plain(app)
    for role in plain["roles"]:
        role.pop("overrides", None)  # the values that they override with are what the attributes say already
    if show_secrets:
        return plain
    from torchx.util.masking import job_secrets

    return _mask(plain, job_secrets(app))


def app_to_text(app: AppDef, *, show_secrets: bool = False) -> str:
    """A job as readable text (YAML), without what is empty."""
    return plain_to_text(app_to_plain(app, show_secrets=show_secrets))


def request_to_text(info: AppDryRunInfo[Any], *, show_secrets: bool = False) -> str:
    """The request of a dry run as readable text; a secret of the job is masked wherever it stands in the request."""
    return info._fmt(info.request) if show_secrets else str(info)


def cfg_to_plain(cfg: Mapping[str, CfgVal], *, show_secrets: bool = False) -> dict[str, Any]:
    """Scheduler options as JSON-serialisable data."""
    plain: dict[str, Any] = to_plain(dict(cfg))
    return plain if show_secrets else _mask(plain)


def status_to_text(status: AppStatus, out: TextIO | None, roles: list[str] | None = None) -> str:
    """A status as readable text, its states in colour where the stream that it is for shows colours."""
    import re

    from torchx.cli.errors import mask
    from torchx.cli.output import paint_state

    pattern = re.compile(r"^(state: +|  \S+/\d+ +)([A-Z]+)\b", re.MULTILINE)
    return pattern.sub(lambda m: m[1] + paint_state(m[2], out), mask(status.format(roles)))


def status_to_plain(app_handle: str, status: AppStatus, roles: list[str] | None = None) -> dict[str, Any]:
    """A status as JSON-serialisable data, with the handle of the job."""
    return {"app_handle": app_handle, **_mask(status.to_json(roles))}


def plain_to_text(value: Mapping[str, Any]) -> str:
    """Nested data as YAML, one value a line; empty values are left out.

    >>> print(plain_to_text({"name": "a", "roles": [{"args": ["-m", "a b"], "env": {}}], "port": 1}))
    name: a
    roles:
      - args:
          - "-m"
          - "a b"
    port: 1
    """
    return "\n".join(_mapping_lines(value))


def _mapping_lines(value: Mapping[str, Any], keep_empty: bool = False) -> Iterator[str]:
    for key, item in value.items():
        if item is None or item == [] or item == {} or (item == "" and not keep_empty):
            continue
        if isinstance(item, (Mapping, list)):
            yield f"{_scalar(key)}:"
            # Below the fields of a job, an empty text is a value as any other: a project that is mapped to the root.
            yield from (f"  {line}" for line in _nested_lines(item, keep_empty or key in _USERS_MAPPINGS))
        else:
            yield f"{_scalar(key)}: {_scalar(item)}"


def _nested_lines(value: Any, keep_empty: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _mapping_lines(value, keep_empty)
        return
    for item in value:
        if isinstance(item, (Mapping, list)):
            lines = list(_nested_lines(item, keep_empty)) or ["[]" if isinstance(item, list) else "{}"]
            yield f"- {lines[0]}"
            yield from (f"  {line}" for line in lines[1:])
        else:
            yield f"- {_scalar(item)}"


def _scalar(value: object) -> str:
    if isinstance(value, str):
        if _is_bare_word(value) and not _looks_otherwise(value):
            return value
        if value.isprintable() and '"' not in value and "\\" not in value:
            return f'"{value}"'
        import json

        return "".join(c if c.isprintable() else _escaped(c) for c in json.dumps(value, ensure_ascii=False))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _is_bare_word(value: str) -> bool:
    """Whether YAML takes the text as it is: ASCII letters, digits and harmless signs."""
    return (
        value.isascii()
        and bool(value)
        and (value[0].isalnum() or value[0] in _LEADING_SIGNS)
        and not value.endswith(":")
        and all(c.isalnum() or c in _BARE_SIGNS for c in value)
    )


def _looks_otherwise(word: str) -> bool:
    """Whether YAML would read the bare word as anything but text: a number, a time, a truth value."""
    return word.lower() in _YAML_WORDS or word[0] in "0123456789.+%" or ": " in word


def _mask(data: dict[str, Any], secrets: Iterable[str] = ()) -> dict[str, Any]:
    from torchx.util.masking import mask_data

    masked = mask_data(data, secrets)
    assert isinstance(masked, dict)
    return masked
