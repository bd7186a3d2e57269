"""The ``dir`` workspace does what every workspace builder must."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchx.testing import WorkspaceConformance
from torchx.workspace.dir_workspace import DirWorkspaceMixin

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchx.specs import CfgVal, Role


class TestDirWorkspace(WorkspaceConformance):
    @pytest.fixture
    def builder(self) -> DirWorkspaceMixin:
        return DirWorkspaceMixin()

    @pytest.fixture
    def cfg(self, tmp_path: Path) -> dict[str, CfgVal]:
        return {"job_dir": str(tmp_path / "jobs" / "job")}

    @pytest.fixture
    def unpack(self) -> Callable[[Role], Path]:
        return lambda role: Path(role.image)

    @pytest.fixture
    def fingerprint(self, tmp_path: Path) -> Callable[[], object]:
        def look() -> object:
            entries = [*(tmp_path / "jobs").rglob("*")]
            return {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in entries}

        return look
