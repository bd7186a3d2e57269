"""The backends: their base class in ``torchx.schedulers.api``, and the factories of those that are installed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from torchx.plugins import PluginEntry
    from torchx.schedulers.api import Scheduler
else:
    Protocol = object  # The same to a program, without importing typing.

__all__ = [
    "DEFAULT_SCHEDULER_MODULES",
    "Scheduler",
    "SchedulerFactory",
    "get_default_scheduler_name",
    "get_scheduler_factories",
]

GROUP = "torchx.schedulers"

DEFAULT_SCHEDULER_MODULES: dict[str, str] = {
    "local_cwd": "torchx.schedulers.local_scheduler",
    "local_docker": "torchx.schedulers.docker_scheduler",
    "slurm": "torchx.schedulers.slurm_scheduler",
    "kubernetes": "torchx.schedulers.kubernetes_scheduler",
    "kubernetes_mcad": "torchx.schedulers.kubernetes_mcad_scheduler",
    "aws_batch": "torchx.schedulers.aws_batch_scheduler",
    "aws_sagemaker": "torchx.schedulers.aws_sagemaker_scheduler",
    "lsf": "torchx.schedulers.lsf_scheduler",
}
"""The documented module of each of TorchX's own backends, by name; importing one needs the backend's distribution."""


class SchedulerFactory(Protocol):
    """Makes a scheduler for a session."""

    def __call__(self, session_name: str, **kwargs: Any) -> Scheduler[Any]: ...


class _PluginFactory:
    """The factory of a plugin, imported when it is first called or its signature is asked for."""

    def __init__(self, entry: PluginEntry) -> None:
        self._entry = entry

    @property
    def __wrapped__(self) -> Any:
        # inspect.signature() follows this, so that callers see the parameters of the plugin's own function.
        return self._entry.load()

    def __call__(self, session_name: str, **kwargs: Any) -> Scheduler[Any]:
        made: Scheduler[Any] = self.__wrapped__(session_name, **kwargs)
        return made

    def __repr__(self) -> str:
        return f"<factory of {self._entry!r}>"


def get_scheduler_factories(group: str = GROUP, skip_defaults: bool = False) -> dict[str, SchedulerFactory]:
    """The factories of all installed backends, by name; a backend's code is imported when its factory is called.

    Args:
        group: ``"torchx.schedulers"``, or another entry-point group to take the factories from alone.
        skip_defaults: leave out TorchX's own backends.

    Returns:
        The default backend first. To call the factory of a plugin that does not work raises ``PluginLoadError``, and of
        a name that several plugins provide ``DuplicatePluginError``.
    """
    if group != GROUP:
        from torchx.util.entrypoints import load_group

        factories: dict[str, Any] = {**load_group(group)}
        return factories
    from torchx.plugins import get_plugin_manager

    return {
        name: _PluginFactory(entry)
        for name, entry in get_plugin_manager().schedulers().items()
        if not (skip_defaults and name in DEFAULT_SCHEDULER_MODULES)
    }


def get_default_scheduler_name() -> str:
    """The backend that is used where none is named: the first of the installed ones, ``"local_cwd"``."""
    return next(iter(get_scheduler_factories()))


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # The base class needs the specs; asking which backends there are does not.
        if name == "Scheduler":
            from torchx.schedulers.api import Scheduler

            return Scheduler
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
