"""The lifecycle hooks: what they are given, and the relay that calls them."""

from __future__ import annotations

from torchx.plugins._markers import LIFECYCLE_HOOKS, PROJECT, impl_options, spec_options
from torchx.plugins._providers import PLUGIN_FAILURES
from torchx.util.light_dataclass import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from logging import Logger
    from typing import Any

    import pluggy

    from torchx.plugins._providers import Provider
    from torchx.specs import AppDef, AppStatus, CfgVal

SUBMITTED = "torchx_app_submitted"
FINISHED = "torchx_app_finished"


@dataclass(frozen=True, kw_only=True)
class TransformRequest:
    """A job on its way to a backend.

    Attributes:
        app: a copy of the caller's job; it may be changed in place.
        scheduler: the name of the backend.
        cfg: the resolved options of the backend.
        parent_run_id: the run that the job belongs to, if any.
    """

    app: AppDef
    scheduler: str
    cfg: Mapping[str, CfgVal] = field(default_factory=dict)
    parent_run_id: str | None = None

    def __repr__(self) -> str:
        """For logs: with the secrets hidden."""
        from torchx.util.masked_repr import masked_repr
        from torchx.util.masking import job_secrets

        return masked_repr(self, data=("cfg",), secrets=job_secrets(self.app))


@dataclass(frozen=True, kw_only=True)
class AppSubmitted:
    """A job that a backend has accepted.

    Attributes:
        app_handle: ``"<scheduler>://<session>/<app id>"``.
        scheduler: the name of the backend.
        app: the job as it was sent, None where only the request is known.
    """

    app_handle: str
    scheduler: str
    app: AppDef | None = None


@dataclass(frozen=True, kw_only=True)
class AppFinished:
    """A job that has ended.

    Attributes:
        app_handle: ``"<scheduler>://<session>/<app id>"``.
        scheduler: the name of the backend.
        status: its last status; the state is terminal.
    """

    app_handle: str
    scheduler: str
    status: AppStatus


class HookRelay:
    """Calls the lifecycle hooks of all plugins, in the order of the distributions' names.

    Args:
        providers: all who bring plugins.
    """

    def __init__(self, providers: Iterable[Provider]) -> None:
        outside = [provider for provider in providers if provider.source != "built-in" and not provider.disabled]
        takers = [provider for provider in outside if any(map(_takes_part, provider.modules()))]
        # Most installations have no lifecycle hook at all: they do not pay for importing pluggy.
        self._pluggy = _new_pluggy(takers) if takers else None
        self._broken = [provider for provider in outside if not provider.imports()]

    def torchx_transform_app(self, *, request: TransformRequest) -> None:
        """Lets every plugin look at and change the job. The first error ends it and is raised as it is."""
        self._warn_of_broken()
        if self._pluggy is not None:
            self._pluggy.hook.torchx_transform_app(request=request)

    def torchx_app_submitted(self, *, event: AppSubmitted) -> None:
        """Tells every plugin; an error of one is logged and stops no other."""
        self._notify(SUBMITTED, event)

    def torchx_app_finished(self, *, event: AppFinished) -> None:
        """Tells every plugin; an error of one is logged and stops no other."""
        self._notify(FINISHED, event)

    def _notify(self, hook: str, event: object) -> None:
        if self._pluggy is None:
            return
        # pluggy calls implementations from the last of its list to the first.
        for impl in reversed(getattr(self._pluggy.hook, hook).get_hookimpls()):
            try:
                impl.function(*[event][: len(impl.argnames)])
            except PLUGIN_FAILURES as error:
                from torchx.util.masking import job_secrets, masked_traceback

                text = masked_traceback(error, job_secrets(getattr(event, "app", None)))
                _logger().warning("plugin `%s` failed in %s; the job is not affected\n%s", impl.plugin_name, hook, text)

    def _warn_of_broken(self) -> None:
        # A plugin that cannot be imported may hold the site's policy: its absence must not go unnoticed.
        for provider in self._broken:
            _logger().warning("plugin `%s` does not work, and takes no part in this job", provider.title)
        self._broken = []


def _takes_part(module: object) -> bool:
    return any(impl_options(getattr(module, hook, None)) is not None for hook in LIFECYCLE_HOOKS)


def _logger() -> Logger:
    import logging

    return logging.getLogger(__name__)


def _new_pluggy(providers: Iterable[Provider]) -> pluggy.PluginManager:
    import pluggy

    from torchx.plugins import hookspecs

    class Marked(pluggy.PluginManager):
        """pluggy with our markers; only the lifecycle hooks are its business."""

        def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
            return impl_options(getattr(plugin, name, None)) if name in LIFECYCLE_HOOKS else None

        def parse_hookspec_opts(self, module_or_class: object, name: str) -> Any:
            return spec_options(getattr(module_or_class, name, None)) if name in LIFECYCLE_HOOKS else None

    manager = Marked(PROJECT)
    manager.add_hookspecs(hookspecs)
    # What is registered last is called first.
    for provider in sorted(providers, key=lambda provider: provider.name, reverse=True):
        for number, module in enumerate(provider.modules()):
            _register(manager, provider, module, f"{provider.name}#{number}" if number else provider.name)
    return manager


def _register(manager: pluggy.PluginManager, provider: Provider, module: object, name: str) -> None:
    import pluggy

    try:
        manager.register(module, name=name)
    except pluggy.PluginValidationError as error:
        manager.set_blocked(name)  # Also takes back the hooks that were registered before the wrong one.
        provider.record("lifecycle hooks", error)
