"""A base for tests of components, with ``unittest``.

.. code-block:: python

    import my_components
    from torchx.components.component_test_base import ComponentTestCase

    class MyComponentsTest(ComponentTestCase):
        def test_trainer(self) -> None:
            self.validate(my_components, "trainer")
            status = self.run_component(my_components.trainer, {"script": "train.py"}, timeout=60)
            self.assertEqual(status.state.name, "SUCCEEDED")
"""

from __future__ import annotations

import os
import tempfile
import unittest
from typing import TYPE_CHECKING, Any

from torchx.specs.file_linter import validate as _validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from torchx.specs import AppDef, AppStatus

_CANCEL_TIMEOUT = 60
"""Seconds that a cancelled job may take to end. The test's folder can be removed only then."""


class ComponentTestCase(unittest.TestCase):
    """Checks components and runs them.

    Attributes:
        test_dir: a folder for the test's files, removed after it. Local jobs keep their state in there.
    """

    def setUp(self) -> None:
        """Makes the test's folder."""
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="torchx-component-test-")
        self.addCleanup(folder.cleanup)
        self.test_dir: str = folder.name
        home = os.environ.get("TORCHX_HOME")
        os.environ["TORCHX_HOME"] = os.path.join(self.test_dir, "torchx")
        self.addCleanup(_restore_home, home)

    def tearDown(self) -> None:
        """For subclasses to extend. What ``setUp`` made is cleaned up after it."""
        super().tearDown()

    def validate(self, module: ModuleType, function_name: str) -> None:
        """Fails the test unless the function of the module is a valid component, which can show its help.

        Args:
            module: the module.
            function_name: the component's function or class.
        """
        from torchx.specs._component_class import as_function
        from torchx.specs._component_help import help_parser
        from torchx.specs._component_params import Params

        path = module.__file__
        assert path is not None, f"module {module.__name__} has no source"
        messages = _validate(path, function_name)
        self.assertFalse(messages, "\n".join(f"{path}:{m.line}: {m.description}" for m in messages))
        fn = as_function(getattr(module, function_name))
        self.assertTrue(help_parser(fn, Params(fn), {}).format_help())

    def run_component(
        self,
        component: Callable[..., AppDef],
        args: dict[str, Any] | None = None,
        scheduler_params: dict[str, Any] | None = None,
        scheduler: str = "local_cwd",
        interval: float = 0.1,
        timeout: float = 1,
    ) -> AppStatus | None:
        """Runs a component and waits for its end.

        Args:
            component: the component.
            args: the values for its parameters, by name.
            scheduler_params: given to the scheduler's factory.
            scheduler: the scheduler.
            interval: the longest pause between two looks at the status, in seconds.
            timeout: seconds after which the job is cancelled.

        Returns:
            The final status; None where the scheduler does not know the job any more.

        Raises:
            TimeoutError: the job was cancelled.
        """
        from torchx.runner import get_runner

        with get_runner("test", **(scheduler_params or {})) as runner:
            handle = runner.schedule(runner.dryrun(component(**(args or {})), scheduler))
            try:
                status = runner.wait(handle, wait_interval=interval, timeout=timeout)
            except TimeoutError:
                runner.cancel(handle)
                runner.wait(handle, wait_interval=interval, timeout=_CANCEL_TIMEOUT)
                raise
        return status


def _restore_home(value: str | None) -> None:
    if value is None:
        os.environ.pop("TORCHX_HOME", None)
    else:
        os.environ["TORCHX_HOME"] = value
