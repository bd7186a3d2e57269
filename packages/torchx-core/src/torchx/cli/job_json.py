"""Jobs written as JSON: what ``torchx run --stdin`` reads and ``torchx describe --json`` writes.

Either a whole job::

    {
      "name": "train",
      "roles": [{
        "name": "trainer", "image": "img:1", "entrypoint": "python", "args": ["-m", "my_app"],
        "env": {"K": "V"}, "num_replicas": 2, "min_replicas": null,
        "max_retries": 1, "retry_policy": "APPLICATION",
        "resource": {"cpu": 1, "gpu": 0, "memMB": 512},
        "port_map": {"tb": 6006}, "metadata": {}, "workspace": {"projects": {"./src": ""}},
        "mounts": [{"type": "bind", "src_path": "/a", "dst_path": "/b", "read_only": true}]
      }],
      "metadata": {"team": "a"}
    }

or a component with its arguments, as words or by name::

    {"component": "dist.ddp", "component_args": {"j": "1x2", "script": "train.py"}}

Both may also have ``"scheduler"``, ``"cfg"`` (options of the scheduler by name), ``"workspace"`` and
``"parent_run_id"``; what stands on the command line wins over them. Of a role, only ``name`` is required. The
``resource`` may be the name of a named resource, the ``workspace`` a path. ``component_name`` and
``scheduler_args`` also mean ``component`` and ``cfg``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchx.cli.job import Job
from torchx.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torchx.specs import AppDef, BindMount, DeviceMount, Resource, Role, VolumeMount, Workspace

_ALIASES = {"component_name": "component", "scheduler_args": "cfg", "args": "component_args"}
_JOB_KEYS = (
    "name",
    "roles",
    "metadata",
    "component",
    "component_args",
    "scheduler",
    "cfg",
    "workspace",
    "parent_run_id",
)


def parse_job(text: str) -> Job:
    """Reads a job from JSON; the module's docstring has the form.

    Raises:
        UsageError: it is not JSON, or something in it is unknown, missing or of a wrong type; tells where.
    """
    import json

    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the job is not valid JSON: {error}") from error
    given = _mapping(data, "the job")
    for old, new in _ALIASES.items():
        if old in given and new not in given:
            given[new] = given.pop(old)
    _check_keys(given, _JOB_KEYS, "the job")
    component = _text(given.get("component", ""), "component")
    if bool(component) == ("roles" in given):
        raise UsageError("a job needs either `roles` or a `component`", hint="`torchx describe --json` shows the form")
    return Job(
        app=None if component else _app(given),
        component=component,
        component_args=_component_args(given.get("component_args", [])),
        scheduler=_optional(_text, given.get("scheduler"), "scheduler"),
        cfg=_mapping(given.get("cfg", {}), "cfg"),
        workspace=_optional(_text, given.get("workspace"), "workspace"),
        parent_run_id=_optional(_text, given.get("parent_run_id"), "parent_run_id"),
    )


def _component_args(value: Any) -> list[str] | dict[str, Any]:
    return _mapping(value, "component_args") if isinstance(value, dict) else _texts(value, "component_args")


def _app(data: Mapping[str, Any]) -> AppDef:
    from torchx.specs import AppDef

    roles = [_role(role, f"roles[{i}]") for i, role in enumerate(_list(data["roles"], "roles"))]
    if not roles:
        raise UsageError("the job has no roles")
    name = _text(data.get("name", roles[0].name), "name")
    return AppDef(name=name, roles=roles, metadata=_text_map(data.get("metadata", {}), "metadata"))


def _role(data: Any, at: str) -> Role:
    from torchx.specs import Role

    given = _mapping(data, at)
    _check_keys(given, _ROLE_READERS, at)
    if "name" not in given:
        raise UsageError(f"{at} has no `name`")
    values = {key: _ROLE_READERS[key](value, f"{at}.{key}") for key, value in given.items()}
    return Role(**{"image": "", **values})


def _resource(value: Any, at: str) -> Resource:
    from torchx.specs import NULL_RESOURCE, Resource, resource

    if isinstance(value, str):
        return resource(h=value)
    readers: dict[str, Any] = {
        **dict.fromkeys(("cpu", "gpu", "memMB"), _integer),
        **dict.fromkeys(("capabilities", "tags"), _mapping),
        "devices": _integer_map,
    }
    given = _mapping(value, at)
    _check_keys(given, readers, at)
    values = {key: read(given[key], f"{at}.{key}") for key, read in readers.items() if key in given}
    return Resource(**{"cpu": NULL_RESOURCE.cpu, "gpu": NULL_RESOURCE.gpu, "memMB": NULL_RESOURCE.memMB, **values})


def _retry_policy(value: Any, at: str) -> Any:
    from torchx.specs import RetryPolicy

    names = [policy.value for policy in RetryPolicy]
    if value not in names:
        raise UsageError(f"{at}: unknown retry policy `{value}`", hint=nearest(str(value), names) or ", ".join(names))
    return RetryPolicy(value)


def _mount(value: Any, at: str) -> BindMount | VolumeMount | DeviceMount:
    from torchx.specs import BindMount, DeviceMount, VolumeMount

    classes: dict[str, Any] = {"bind": BindMount, "volume": VolumeMount, "device": DeviceMount}
    given = _mapping(value, at)
    kind = given.pop("type", None)
    if kind not in classes:
        hint = nearest(str(kind), classes) or f"one of {', '.join(classes)}"
        raise UsageError(f"{at}: unknown mount type `{kind}`", hint=hint)
    fields = classes[kind].__dataclass_fields__
    _check_keys(given, fields, at)
    readers = {key: _boolean if key == "read_only" else _text for key in fields}
    try:
        mount: BindMount | VolumeMount | DeviceMount = classes[kind](
            **{key: readers[key](item, f"{at}.{key}") for key, item in given.items()}
        )
    except TypeError as error:
        missing = [k for k in fields if k.startswith(("src", "dst")) and k not in given]
        raise UsageError(f"{at}: a {kind} mount needs {' and '.join(f'`{k}`' for k in missing)}") from error
    return mount


def _workspace(value: Any, at: str) -> Workspace:
    from torchx.specs import Workspace

    if isinstance(value, str):
        return Workspace.from_str(value)
    given = _mapping(value, at)
    _check_keys(given, ("projects",), at)
    return Workspace(_text_map(given.get("projects", {}), f"{at}.projects"))


def _text(value: Any, at: str) -> str:
    return value if isinstance(value, str) else _refuse(at, "a string", value)


def _integer(value: Any, at: str) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else _refuse(at, "a whole number", value)


def _boolean(value: Any, at: str) -> bool:
    return value if isinstance(value, bool) else _refuse(at, "true or false", value)


def _list(value: Any, at: str) -> list[Any]:
    return value if isinstance(value, list) else _refuse(at, "a list", value)


def _mapping(value: Any, at: str) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else _refuse(at, "an object", value)


def _texts(value: Any, at: str) -> list[str]:
    return [_text(item, f"{at}[{i}]") for i, item in enumerate(_list(value, at))]


def _text_map(value: Any, at: str) -> dict[str, str]:
    return {key: _text(item, f"{at}.{key}") for key, item in _mapping(value, at).items()}


def _integer_map(value: Any, at: str) -> dict[str, int]:
    return {key: _integer(item, f"{at}.{key}") for key, item in _mapping(value, at).items()}


def _mounts(value: Any, at: str) -> list[Any]:
    return [_mount(item, f"{at}[{i}]") for i, item in enumerate(_list(value, at))]


def _optional(read: Callable[[Any, str], Any], value: Any, at: str) -> Any:
    return None if value is None else read(value, at)


_ROLE_READERS: dict[str, Callable[[Any, str], Any]] = {
    "name": _text,
    "image": _text,
    "min_replicas": lambda value, at: _optional(_integer, value, at),
    "entrypoint": _text,
    "args": _texts,
    "env": _text_map,
    "num_replicas": _integer,
    "max_retries": _integer,
    "retry_policy": _retry_policy,
    "resource": _resource,
    "port_map": _integer_map,
    "metadata": _mapping,
    "mounts": _mounts,
    "workspace": lambda value, at: _optional(_workspace, value, at),
}


def _check_keys(given: Iterable[str], known: Iterable[str], at: str) -> None:
    for key in given:
        if key not in known:
            hint = nearest(key, known) or f"it may have {', '.join(known)}"
            raise UsageError(f"{at} has an unknown key `{key}`", hint=hint)


def _refuse(at: str, expected: str, value: Any) -> Any:
    found = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    raise UsageError(f"{at}: expected {expected}, got {found.get(type(value), 'a number')}")
