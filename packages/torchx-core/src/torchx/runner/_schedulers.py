"""The schedulers of one runner: each is made when it is first asked for, once, however many threads ask."""

from __future__ import annotations

from _thread import allocate_lock  # threading adds nothing that is needed here, and costs a millisecond at start

from torchx.errors import TorchXError, UsageError, nearest
from torchx.specs.api import UnknownSchedulerException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from torchx.schedulers import SchedulerFactory
    from torchx.schedulers.api import Scheduler


class SchedulerPool:
    """Makes schedulers and keeps them until it is closed.

    Args:
        session: name of the runner's session.
        factories: scheduler name to its factory.
        params: passed to the factories that take them.
    """

    def __init__(self, session: str, factories: Mapping[str, SchedulerFactory], params: Mapping[str, object]) -> None:
        self._session = session
        self._factories = factories
        self._params = params
        self._made: dict[str, Scheduler[Any]] = {}
        self._lock = allocate_lock()

    def names(self) -> list[str]:
        """The names of all schedulers that can be made."""
        return [*self._factories]

    def get(self, name: str) -> Scheduler[Any]:
        """The scheduler of a name.

        Raises:
            UnknownSchedulerException: there is none; the hint says what to install.
            PluginLoadError: its plugin does not work.
        """
        if not isinstance(name, str):
            raise UsageError(f"a {type(name).__name__} is not the name of a scheduler", hint="names are text")
        with self._lock:
            if name not in self._made:
                self._made[name] = self._make(name)
            return self._made[name]

    def close(self) -> None:
        """Closes all schedulers made so far. The first error is raised when all have been closed."""
        with self._lock:
            made, self._made = self._made, {}
        first: Exception | None = None
        for scheduler in made.values():
            try:
                scheduler.close()
            except Exception as error:  # of a plugin: the others are closed all the same
                first = first or error
        if first is not None:
            raise first

    def _make(self, name: str) -> Scheduler[Any]:
        factory = self._factories.get(name)
        if factory is None:
            raise _unknown_scheduler(name, self._factories)
        from torchx.runner._scheduler_params import factory_arguments
        from torchx.schedulers.api import Scheduler

        try:
            made = factory(session_name=self._session, **factory_arguments(factory, self._params))
        except SystemExit as error:
            raise TorchXError(f"the factory of scheduler `{name}` called sys.exit({error.code!r})") from error
        if not isinstance(made, Scheduler):
            raise TorchXError(f"the factory of scheduler `{name}` made a {type(made).__name__}, not a Scheduler")
        return made


def _unknown_scheduler(name: str, known: Mapping[str, Callable[..., Any]]) -> TorchXError:
    from torchx.plugins._missing import OFFICIAL, install_hint
    from torchx.plugins.descriptors import PluginType

    error = UnknownSchedulerException(name)
    distribution = OFFICIAL.get((PluginType.SCHEDULER, name))
    if distribution is not None:
        error.hint = install_hint(distribution)
    else:
        error.hint = nearest(name, known) or f"installed: {', '.join(known) or 'none'}"
    return error
