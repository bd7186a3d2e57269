"""The distribution ``torchx-slurm`` is installed, seen, cheap to look at, and brings its scheduler."""

from __future__ import annotations

import pytest

from torchx.testing import PluginConformance


class TestPlugin(PluginConformance):
    @pytest.fixture
    def distribution(self) -> str:
        return "torchx-slurm"


def test_documented_path_is_the_real_module() -> None:
    import torchx.schedulers.slurm_scheduler as documented
    import torchx_slurm.scheduler as real

    assert documented is real
    assert real.create_scheduler("session").backend == "slurm"
    assert real.SlurmOpts is real.Opts
