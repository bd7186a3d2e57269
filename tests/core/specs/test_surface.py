"""The names, signatures and values that programs rely on, and what importing them may load."""

# ruff: noqa: E501  (signatures are easiest compared in one line)

from __future__ import annotations

import doctest
import importlib
import inspect
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import torchx.specs as specs
from torchx.specs import api, metadata_keys

if TYPE_CHECKING:
    from enum import Enum

MODULES = [
    "_app",
    "_handle",
    "_macros",
    "_mounts",
    "_named",
    "_overrides",
    "_resource",
    "_runopts",
    "_runopts_text",
    "_status",
    "_status_format",
    "_workspace",
    "capabilities",
    "metadata_keys",
]


@pytest.mark.parametrize(
    "name",
    [
        "app_metadata",
        "AppDef",
        "AppDryRunInfo",
        "AppState",
        "AppStatus",
        "BindMount",
        "CapabilityKey",
        "DeviceMount",
        "get_type_name",
        "is_terminal",
        "macros",
        "NULL_RESOURCE",
        "parse_app_handle",
        "ParsedAppHandle",
        "ReplicaState",
        "ReplicaStatus",
        "Resource",
        "RetryPolicy",
        "Role",
        "RoleStatus",
        "runopt",
        "runopts",
        "cases",
        "UnknownAppException",
        "UnknownSchedulerException",
        "InvalidRunConfigException",
        "MalformedAppHandleException",
        "VolumeMount",
        "make_app_handle",
        "materialize_appdef",
        "parse_mounts",
        "TORCHX_HOME",
        "Workspace",
        "MISSING",
        "NA",
        "NONE",
        "UNKNOWN",
        "resource",
        "get_named_resources",
        "named_resources",
        "ALL",
        "TORCHX_CONTEXT_NAME",
        "AppHandle",
        "CfgVal",
    ],
)
def test_names_of_the_package(name: str) -> None:
    assert getattr(specs, name) is not None
    assert name in dir(specs)
    assert name in specs.__all__


@pytest.mark.parametrize(
    "name",
    [
        "TORCHX_HOME",
        "Resource",
        "NULL_RESOURCE",
        "ALL",
        "MISSING",
        "NONE",
        "UNKNOWN",
        "macros",
        "RetryPolicy",
        "MountType",
        "BindMount",
        "VolumeMount",
        "DeviceMount",
        "Workspace",
        "Role",
        "AppDef",
        "AppState",
        "is_terminal",
        "is_started",
        "ReplicaState",
        "ReplicaStatus",
        "RoleStatus",
        "AppStatus",
        "AppStatusError",
        "AppDryRunInfo",
        "get_type_name",
        "cases",
        "runopt",
        "runopts",
        "InvalidRunConfigException",
        "MalformedAppHandleException",
        "UnknownSchedulerException",
        "ParsedAppHandle",
        "UnknownAppException",
        "parse_app_handle",
    ],
)
def test_names_of_the_api_module(name: str) -> None:
    assert getattr(api, name) is getattr(specs, name)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        specs.nope  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (specs.TORCHX_HOME, "(*subdir_paths: 'str') -> 'pathlib.Path'"),
        (specs.resource, "(cpu: 'int | None' = None, gpu: 'int | None' = None, memMB: 'int | None' = None, h: 'str | None' = None) -> 'Resource'"),
        (specs.get_named_resources, "(res: 'str') -> 'Resource'"),
        (specs.make_app_handle, "(scheduler_backend: 'str', session_name: 'str', app_id: 'str') -> 'str'"),
        (specs.parse_app_handle, "(app_handle: 'str') -> 'ParsedAppHandle'"),
        (specs.parse_mounts, "(opts: 'list[str]') -> 'list[BindMount | VolumeMount | DeviceMount]'"),
        (specs.Resource, "(cpu: 'int', gpu: 'int', memMB: 'int', capabilities: 'dict[str, Any]' = <factory>, devices: 'dict[str, int]' = <factory>, tags: 'dict[str, object]' = <factory>) -> None"),
        (specs.Resource.copy, "(original: 'Resource', **capabilities: 'Any') -> 'Resource'"),
        (specs.BindMount, "(src_path: 'str', dst_path: 'str', read_only: 'bool' = False) -> None"),
        (specs.VolumeMount, "(src: 'str', dst_path: 'str', read_only: 'bool' = False) -> None"),
        (specs.DeviceMount, "(src_path: 'str', dst_path: 'str', permissions: 'str' = 'rwm') -> None"),
        (specs.Workspace, "(projects: 'dict[str, str]') -> None"),
        (specs.macros.Values, "(img_root: 'str', app_id: 'str', replica_id: 'str', rank0_env: 'str') -> None"),
        (specs.AppDef, "(name: 'str', roles: 'list[Role]' = <factory>, metadata: 'dict[str, str]' = <factory>) -> None"),
        (specs.ReplicaStatus, "(id: 'int', state: 'AppState', role: 'str', hostname: 'str', structured_error_msg: 'str' = '<NONE>', hostaddr: 'str | None' = None) -> None"),
        (specs.AppStatus, "(state: 'AppState', num_restarts: 'int' = 0, msg: 'str' = '', structured_error_msg: 'str' = '<NONE>', ui_url: 'str | None' = None, roles: 'list[RoleStatus]' = <factory>) -> None"),
        (specs.AppStatus.format, "(self, filter_roles: 'list[str] | None' = None) -> 'str'"),
        (specs.runopt, "(default: 'CfgVal', opt_type: '_CfgType', is_required: 'bool', help: 'str') -> None"),
        (specs.runopts.add, "(self, cfg_key: 'str', type_: '_CfgType', help: 'str', default: 'CfgVal' = None, required: 'bool' = False) -> 'None'"),
        (specs.runopts.resolve, "(self, cfg: 'Mapping[str, CfgVal]', *, ignore_unknown: 'bool' = False) -> 'dict[str, CfgVal]'"),
        (specs.InvalidRunConfigException.__init__, "(self, invalid_reason: 'str', cfg_key: 'str', cfg: 'Mapping[str, CfgVal]') -> 'None'"),
        (api.AppStatusError.__init__, "(self, status: 'AppStatus', *args: 'object') -> 'None'"),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)  # fmt: skip
def test_signatures(function: object, signature: str) -> None:
    assert callable(function)
    assert str(inspect.signature(function)) == signature


@pytest.mark.parametrize(
    ("enum", "members"),
    [
        (specs.RetryPolicy, {"REPLICA": "REPLICA", "APPLICATION": "APPLICATION", "ROLE": "ROLE"}),
        (api.MountType, {"BIND": "bind", "VOLUME": "volume", "DEVICE": "device"}),
        (
            specs.AppState,
            {
                "UNSUBMITTED": 0,
                "SUBMITTED": 1,
                "PENDING": 2,
                "RUNNING": 3,
                "SUCCEEDED": 4,
                "FAILED": 5,
                "CANCELLED": 6,
                "UNKNOWN": 7,
            },
        ),
    ],
)
def test_enumerations(enum: type[Enum], members: dict[str, object]) -> None:
    assert {member.name: member.value for member in enum} == members


def test_constants() -> None:
    assert (specs.ALL, specs.MISSING, specs.NA, specs.NONE, specs.UNKNOWN) == (
        "all",
        "<MISSING>",
        "<<NA>>",
        "<NONE>",
        "<UNKNOWN>",
    )
    assert specs.TORCHX_CONTEXT_NAME == metadata_keys.TORCHX_CONTEXT_NAME == "TORCHX_CONTEXT_NAME"
    keys = specs.app_metadata
    assert (keys.CONTEXT, keys.VERSION, keys.SCHEDULER, keys.ROLES_PREFIX) == (
        "torchx/context",
        "torchx/version",
        "torchx/scheduler",
        "torchx/roles.",
    )
    assert specs.macros.base_img_root == "${base_img_root}"


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"torchx.specs.{name}")).failed == 0


def test_importing_the_specs_loads_nothing_heavy() -> None:
    code = """
import sys
import torchx.specs as specs
specs.AppDef("a", [specs.Role("r", "i", args=["x"])])
heavy = {
    "argparse", "asyncio", "ast", "configparser", "copy", "dataclasses", "difflib", "docstring_parser", "fsspec",
    "importlib.metadata", "inspect", "json", "logging", "pathlib", "pluggy", "rich", "shutil", "subprocess", "tempfile",
    "threading", "typing", "yaml",
}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"],
                          capture_output=True, text=True, check=True, timeout=60)  # fmt: skip
    assert done.stdout == "[]\n"
