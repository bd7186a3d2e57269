"""The types that describe jobs, in one module. ``torchx.specs`` has all of them, and the functions around them."""

from __future__ import annotations

from torchx.specs._app import (
    TORCHX_HOME,
    AppDef,
    AppDryRunInfo,
    RetryPolicy,
    Role,
    UnknownRoleException,
)
from torchx.specs._handle import (
    MalformedAppHandleException,
    ParsedAppHandle,
    UnknownAppException,
    UnknownSchedulerException,
    make_app_handle,
    parse_app_handle,
)
from torchx.specs._macros import macros
from torchx.specs._mounts import (
    BindMount,
    DeviceMount,
    InvalidMountException,
    MountType,
    VolumeMount,
    parse_mounts,
)
from torchx.specs._resource import NULL_RESOURCE, Resource
from torchx.specs._runopts import InvalidRunConfigException, cases, get_type_name, runopt, runopts
from torchx.specs._status import (
    AppState,
    AppStatus,
    AppStatusError,
    ReplicaState,
    ReplicaStatus,
    RoleStatus,
    is_started,
    is_terminal,
)
from torchx.specs._types import ALL, MISSING, NONE, UNKNOWN, AppHandle, CfgVal
from torchx.specs._workspace import InvalidWorkspaceException, Workspace
from torchx.specs.capabilities import CapabilityKey
from torchx.specs.metadata_keys import NA, TORCHX_CONTEXT_NAME, app_metadata

__all__ = [
    "ALL",
    "MISSING",
    "NA",
    "NONE",
    "NULL_RESOURCE",
    "TORCHX_CONTEXT_NAME",
    "TORCHX_HOME",
    "UNKNOWN",
    "AppDef",
    "AppDryRunInfo",
    "AppHandle",
    "AppState",
    "AppStatus",
    "AppStatusError",
    "BindMount",
    "CapabilityKey",
    "CfgVal",
    "DeviceMount",
    "InvalidMountException",
    "InvalidRunConfigException",
    "InvalidWorkspaceException",
    "MalformedAppHandleException",
    "MountType",
    "ParsedAppHandle",
    "ReplicaState",
    "ReplicaStatus",
    "Resource",
    "RetryPolicy",
    "Role",
    "RoleStatus",
    "UnknownAppException",
    "UnknownRoleException",
    "UnknownSchedulerException",
    "VolumeMount",
    "Workspace",
    "app_metadata",
    "cases",
    "get_type_name",
    "is_started",
    "is_terminal",
    "macros",
    "make_app_handle",
    "parse_app_handle",
    "parse_mounts",
    "runopt",
    "runopts",
]
