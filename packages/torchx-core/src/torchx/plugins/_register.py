"""The ``@register`` decorators, and the view of all plugins that ``registry()`` gives."""

from __future__ import annotations

from functools import partial

from torchx.plugins._registry import STORE, Registration
from torchx.plugins._resources import make_resource, make_table
from torchx.plugins.descriptors import NAME_HINT, NamedResourcePlugin, PluginType, describe, is_plugin_name
from torchx.plugins.errors import RegistrationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TypeVar

    from torchx.plugins._entry import PluginEntry
    from torchx.plugins._resources import Fractionals
    from torchx.plugins.manager import PluginManager

    T = TypeVar("T", bound=Callable[..., object])


class Register:
    """Registers functions and classes as plugins, without a package of their own.

    In a module below the namespace package ``torchx_plugins`` they are found when they are needed; in any other module
    they are there once the module has been imported. The decorated object stays as it is.

    Every decorator takes the name (the object's own name if None), ``aliases``, other names for the same plugin, and
    ``summary``, one line for listings (the first line of the docstring if None).

    Raises:
        RegistrationError: the name is malformed or already taken in the module, or the object cannot be called.
    """

    def scheduler(
        self, name: str | None = None, *, aliases: Iterable[str] = (), summary: str | None = None
    ) -> Callable[[T], T]:
        """Registers a backend: a function ``(session_name: str, **kwargs) -> Scheduler``."""
        return partial(_register, PluginType.SCHEDULER, name, aliases, summary)

    def workspace(
        self, name: str | None = None, *, aliases: Iterable[str] = (), summary: str | None = None
    ) -> Callable[[T], T]:
        """Registers an image builder: a subclass of ``torchx.workspace.WorkspaceMixin``."""
        return partial(_register, PluginType.WORKSPACE, name, aliases, summary)

    def tracker(
        self, name: str | None = None, *, aliases: Iterable[str] = (), summary: str | None = None
    ) -> Callable[[T], T]:
        """Registers a tracker: a function ``(config: str | None) -> TrackerBase``."""
        return partial(_register, PluginType.TRACKER, name, aliases, summary)

    def component(
        self, name: str | None = None, *, aliases: Iterable[str] = (), summary: str | None = None
    ) -> Callable[[T], T]:
        """Registers one component function under its whole name, ``"acme.train"``."""
        return partial(_register, PluginType.COMPONENT, name, aliases, summary)

    def command(
        self, name: str | None = None, *, aliases: Iterable[str] = (), summary: str | None = None
    ) -> Callable[[T], T]:
        """Registers a sub-command of ``torchx``: a subclass of ``torchx.cli.cmd_base.SubCommand``."""
        return partial(_register, PluginType.COMMAND, name, aliases, summary)

    cli_cmd = command

    def event_handler(
        self, name: str | None = None, *, aliases: Iterable[str] = (), summary: str | None = None
    ) -> Callable[[T], T]:
        """Registers a destination of event records: a function without arguments that returns a ``logging.Handler``."""
        return partial(_register, PluginType.EVENT_HANDLER, name, aliases, summary)

    def named_resource(
        self,
        name: str | None = None,
        *,
        aliases: Iterable[str] = (),
        fractionals: Fractionals | None = None,
        summary: str | None = None,
    ) -> Callable[[T], T]:
        """Registers a named resource: a function ``() -> Resource``, or ``(fractional: float = 1.0) -> Resource``.

        Args:
            name: its name, that of the function if None.
            aliases: other names for it.
            fractionals: which parts of it are registered too, :func:`powers_of_two_gpus` or :func:`halve_mem_down_to`:
                for each, the function is called with the part as ``fractional`` and has to scale what it returns.
            summary: one line for listings.
        """
        if fractionals is None:
            return partial(_register, PluginType.NAMED_RESOURCE, name, aliases, summary)
        return partial(_register_fractional, name, aliases, fractionals, summary)

    if not TYPE_CHECKING:
        # The decorators may stand without parentheses: `@register.tracker`.
        def __getattribute__(self, attribute):
            found = object.__getattribute__(self, attribute)
            return found if attribute.startswith("_") else partial(_with_or_without_parentheses, found)


register = Register()


def _with_or_without_parentheses(decorator: Any, name: Any = None, **options: Any) -> Any:
    if name is None or isinstance(name, str):
        return decorator(name, **options)
    return decorator()(name)


def _register(kind: PluginType, name: str | None, aliases: Iterable[str], summary: str | None, decorated: T) -> T:
    names = _names(kind, name, aliases, decorated)
    for title in names:
        loaded: object = decorated
        if kind is PluginType.NAMED_RESOURCE:
            loaded = partial(make_resource, decorated, names[0])
        _store(describe(kind, title, _target(decorated), _summary(summary, decorated)), loaded, decorated)
    return decorated


def _register_fractional(
    name: str | None, aliases: Iterable[str], fractionals: Fractionals, summary: str | None, decorated: T
) -> T:
    first, *others = _names(PluginType.NAMED_RESOURCE, name, aliases, decorated)
    _require_fractional_parameter(first, decorated)
    # A table: which parts there are shows only when the function is called, which listing other kinds must not do.
    descriptor = NamedResourcePlugin(name=first, table=_target(decorated), summary=_summary(summary, decorated))
    _store(descriptor, partial(make_table, decorated, first, others, fractionals), decorated)
    return decorated


def _store(descriptor: Any, loaded: object, decorated: Any) -> None:
    STORE.add(Registration(descriptor, loaded, decorated.__module__, decorated.__qualname__))


def _target(decorated: Any) -> str:
    return f"{decorated.__module__}:{decorated.__qualname__}"


def _summary(summary: str | None, decorated: object) -> str:
    if summary is not None:
        return summary
    return (decorated.__doc__ or "").strip().partition("\n")[0].rstrip()


def _names(kind: PluginType, name: str | None, aliases: Iterable[str], decorated: Any) -> list[str]:
    if not callable(decorated) or not hasattr(decorated, "__qualname__"):
        raise RegistrationError(f"only a function or a class can be registered as a {kind.label}, not {decorated!r}")
    if isinstance(aliases, str):
        raise RegistrationError(f"aliases of {kind.label} `{name}` must be a list of names, not {aliases!r}")
    names = [name if name is not None else decorated.__name__, *aliases]
    for title in names:
        if not is_plugin_name(title):
            raise RegistrationError(f"{title!r} cannot be the name of a {kind.label}", hint=NAME_HINT)
    return list(dict.fromkeys(names))


def _require_fractional_parameter(name: str, decorated: Callable[..., object]) -> None:
    import inspect

    parameters = inspect.signature(decorated).parameters.values()
    if not any(p.name == "fractional" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise RegistrationError(
            f"named resource `{name}` has fractionals, but its function takes no argument `fractional`",
            hint=f"def {name}(fractional: float = 1.0) -> Resource",
        )


class PluginRegistry:
    """All plugins that the plugin manager of this process knows, however they were added: a view, always up to date."""

    def plugins(self, kind: PluginType | str) -> Mapping[str, PluginEntry]:
        """The plugins of one kind, by name."""
        return _manager().entries(kind)

    def get(self, kind: PluginType | str, name: str) -> PluginEntry:
        """One plugin; errors as in :meth:`torchx.plugins.PluginManager.get`."""
        return _manager().get(kind, name)

    def load(self, kind: PluginType | str, name: str) -> object:
        """The code of one plugin; errors as in :meth:`torchx.plugins.PluginManager.get`, and its own load error."""
        return self.get(kind, name).load()

    def __iter__(self) -> Iterator[PluginEntry]:
        for kind in PluginType:
            yield from self.plugins(kind).values()

    def __len__(self) -> int:
        return sum(len(self.plugins(kind)) for kind in PluginType)

    def __contains__(self, key: object) -> bool:
        """Whether a ``(kind, name)`` is known."""
        return isinstance(key, tuple) and len(key) == 2 and key[1] in self.plugins(key[0])

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(self.plugins(kind))} {kind.value}" for kind in PluginType)
        return f"PluginRegistry({counts})"


def registry() -> PluginRegistry:
    """The view of all plugins of this process."""
    return PluginRegistry()


def _manager() -> PluginManager:
    from torchx.plugins.manager import get_plugin_manager

    return get_plugin_manager()
