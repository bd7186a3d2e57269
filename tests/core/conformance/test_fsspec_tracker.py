"""The fsspec tracker does what every tracker must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchx.testing import TrackerConformance

if TYPE_CHECKING:
    from pathlib import Path


class TestFsspecTracker(TrackerConformance):
    @pytest.fixture
    def factory(self) -> str:
        return "torchx.tracker.backend.fsspec:create"

    @pytest.fixture(params=["{tmp}/runs", "file://{tmp}/odd [1] * ünï"], ids=["path", "url"])
    def config(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        return str(request.param).format(tmp=tmp_path)
