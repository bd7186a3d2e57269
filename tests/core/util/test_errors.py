"""The root of all errors: what its subclasses have in common."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import pytest

from torchx.errors import TorchXError, UsageError
from torchx.plugins import DuplicatePluginError, PluginLoadError, UnknownPluginError
from torchx.specs import (
    AppState,
    AppStatus,
    InvalidRunConfigException,
    MalformedAppHandleException,
    UnknownAppException,
    UnknownSchedulerException,
)
from torchx.specs.api import AppStatusError
from torchx.tracker.mlflow import MLflowMissingError
from torchx.util.configfile import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(error, id=type(error).__name__)
        for error in (
            TorchXError("failed", hint="do this"),
            InvalidRunConfigException("is unknown", "queue", {"queue": "x"}),
            MalformedAppHandleException("x"),
            UnknownAppException("local://a/b"),
            UnknownSchedulerException("slrum"),
            AppStatusError(AppStatus(AppState.FAILED, msg="why")),
            ConfigError("no value", "/a/.torchxconfig", 3, hint="add one"),
            PluginLoadError("failed", dist="acme", version="1", hint="upgrade"),
            UnknownPluginError("unknown", name="x", known=["y"], hint=None),
            DuplicatePluginError("twice", name="x", providers=["a", "b"], hint=None),
            MLflowMissingError("no mlflow", hint="pip install"),
        )
    ],
)
@pytest.mark.parametrize("copied", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))], ids=["copy", "pickle"])
def test_an_error_survives_the_way_to_another_process(
    error: TorchXError, copied: Callable[[TorchXError], TorchXError]
) -> None:
    made = copied(error)
    assert type(made) is type(error)
    assert str(made) == str(error)
    assert vars(made) == vars(error)
    assert getattr(made, "name", None) == getattr(error, "name", None)


def test_a_usage_error_ends_a_command_with_status_2() -> None:
    assert (TorchXError.exit_code, UsageError.exit_code) == (1, 2)
