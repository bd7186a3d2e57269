"""Conformance suites for plugins: what TorchX relies on, as tests that a plugin's own test suite runs.

A suite is a class of pytest tests. Subclass it under a name that begins with ``Test``, and define the fixtures that it
asks for; they are the whole contract between the suite and the plugin:

.. code-block:: python

    import pytest
    from torchx.testing import SchedulerConformance

    class TestAcme(SchedulerConformance):
        separates_streams = False  # this backend keeps one output per replica

        @pytest.fixture
        def factory(self):
            return "acme_torchx.scheduler:create_scheduler"

Capability flags switch off what a backend lacks; such tests are shown as skipped, with the flag as the reason. A test
of a suite can't be overridden silently: see :func:`replaces`.

Needs pytest: ``pip install torchx-core[testing]``.
"""

from __future__ import annotations

try:
    import pytest
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("torchx.testing needs pytest: pip install torchx-core[testing]", name="pytest") from error

# Only modules that are named before they are imported show what was compared when an assertion fails.
pytest.register_assert_rewrite(
    "torchx.testing.jobs",
    "torchx.testing.plugin",
    "torchx.testing.plugin_targets",
    "torchx.testing.processes",
    "torchx.testing.scheduler",
    "torchx.testing.suite",
    "torchx.testing.tracker",
    "torchx.testing.waiting",
    "torchx.testing.workspace",
)

from torchx.testing.hostile import HOSTILE_TEXTS, NOT_UNICODE  # noqa: E402
from torchx.testing.jobs import Jobs  # noqa: E402
from torchx.testing.plugin import PluginConformance  # noqa: E402
from torchx.testing.scheduler import SchedulerConformance  # noqa: E402
from torchx.testing.suite import ConformanceOverrideError, ConformanceSuite, needs, replaces  # noqa: E402
from torchx.testing.tracker import TrackerConformance  # noqa: E402
from torchx.testing.workspace import WorkspaceConformance  # noqa: E402

__all__ = [
    "HOSTILE_TEXTS",
    "NOT_UNICODE",
    "ConformanceOverrideError",
    "ConformanceSuite",
    "Jobs",
    "PluginConformance",
    "SchedulerConformance",
    "TrackerConformance",
    "WorkspaceConformance",
    "needs",
    "replaces",
]
