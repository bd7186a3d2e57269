"""The MLflow tracker where MLflow is not installed. With it, it is tested in ``tests/mlflow``."""

from __future__ import annotations

import sys

import pytest

from torchx.tracker.api import build_trackers
from torchx.tracker.mlflow import MLflowMissingError, create_tracker


def test_without_mlflow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MLflowMissingError, match="needs MLflow") as caught:
        create_tracker("file:///nowhere")
    assert isinstance(caught.value, ModuleNotFoundError)
    assert caught.value.hint == "pip install 'torchx-core[mlflow]'"
    assert list(build_trackers({"mlflow": "file:///nowhere"})) == []
