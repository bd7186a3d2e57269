from unittest import mock

import pytest

from torchx.testing import PluginConformance, SchedulerConformance, TrackerConformance


class TestScheduler(SchedulerConformance):
    separates_streams = selects_by_time = False

    @pytest.fixture
    def factory(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DEMO_CLUSTER", str(tmp_path))
        return "torchx_demo.scheduler:create_scheduler"

    @pytest.fixture
    def outage(self):
        return lambda: mock.patch.dict("os.environ", DEMO_CLUSTER="/nowhere")


class TestTracker(TrackerConformance):
    @pytest.fixture
    def factory(self):
        return "torchx_demo.extras:create_tracker"


class TestPlugin(PluginConformance):
    @pytest.fixture
    def distribution(self):
        return "torchx-demo"
