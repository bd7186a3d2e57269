"""Who brings plugins, and what became of each: a :class:`Provider` for a distribution or a module of decorators."""

from __future__ import annotations

from torchx.errors import nearest
from torchx.plugins._entry_points import normalize
from torchx.plugins._markers import LIFECYCLE_HOOKS, impl_options
from torchx.plugins.descriptors import (
    API_VERSION,
    DESCRIPTORS,
    NAME_HINT,
    Descriptor,
    PluginType,
    describe,
    is_plugin_name,
)
from torchx.plugins.errors import PluginApiError, PluginLoadError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from torchx.plugins._entry_points import EntryPoint, FoundDistribution

PLUGIN_GROUP = "torchx.plugins"
BUILTIN_MODULE = "torchx.plugins._builtin"
CORE = "torchx-core"

_HOOKS = frozenset({*(kind.hook for kind in PluginType), *LIFECYCLE_HOOKS})

# What a plugin may raise is not ours to foresee; SystemExit is what a module raises that was written as a script.
PLUGIN_FAILURES = (Exception, SystemExit)


class PluginProblem:
    """Something in a plugin that does not work.

    Args:
        what: the module, hook or plugin at fault, in words.
        cause: what was raised.
        kind: the only kind of plugins that it concerns, None if all may be missing.
    """

    __slots__ = ("cause", "kind", "what")

    def __init__(self, what: str, cause: BaseException, kind: PluginType | None = None) -> None:
        self.what = what
        self.cause = cause
        self.kind = kind

    def __str__(self) -> str:
        return f"{self.what}: {reason(self.cause)}"


def reason(error: BaseException) -> str:
    """An exception in one line: the text of our own errors, the type and text of anybody else's."""
    text = " ".join(str(error).split())
    if isinstance(error, (PluginApiError, PluginLoadError)):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Provider:
    """One provider of plugins. All that its code raises is recorded here, and stays here.

    Args:
        name: the distribution or module.
        version: its version, ``""`` if unknown.
        source: ``"built-in"``, ``"distribution"``, ``"namespace"`` or ``"registered"``.
        location: where it is installed.
        entry_points: its entry points.
        disabled: its code is never imported.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str = "",
        source: str = "distribution",
        location: str = "",
        entry_points: Iterable[EntryPoint] = (),
        disabled: bool = False,
    ) -> None:
        self.name = name
        self.version = version
        self.source = source
        self.location = location
        self.entry_points = tuple(entry_points)
        self.disabled = disabled
        self.problems: list[PluginProblem] = []
        self.objects: dict[Descriptor, object] = {}
        self._modules: list[object] | None = None
        self._described: dict[PluginType, list[Descriptor]] = {}

    @classmethod
    def of_distribution(cls, found: FoundDistribution, disabled: bool) -> Provider:
        """The provider for an installed distribution."""
        return cls(
            found.name,
            version=found.version,
            location=found.location,
            entry_points=found.entry_points,
            disabled=disabled,
        )

    @property
    def title(self) -> str:
        """Its name and version, for messages."""
        return f"{self.name} {self.version}".strip()

    def is_called(self, name: str) -> bool:
        """Whether a setting that names a provider means this one."""
        return normalize(name) == normalize(self.name)

    def record(self, what: str, cause: BaseException, kind: PluginType | None = None) -> PluginProblem:
        """Notes that something does not work, once."""
        for known in self.problems:
            if known.what == what:
                return known
        problem = PluginProblem(what, cause, kind)
        self.problems.append(problem)
        return problem

    def modules(self) -> list[object]:
        """Its plugin modules, imported on first use; one that fails is recorded and left out."""
        if self._modules is None:
            self._modules = []  # Set first: a plugin that asks for plugins while it is imported must not recurse.
            if not self.disabled:
                self._modules.extend(self._import_modules())
        return self._modules

    def imports(self) -> bool:
        """Whether all its plugin modules can be imported and name their hooks right."""
        self.modules()
        return all(problem.kind is not None for problem in self.problems)

    def _import_modules(self) -> Iterator[object]:
        from torchx.plugins._loading import load_target

        for point in self.entry_points:
            if point.group != PLUGIN_GROUP:
                continue
            try:
                module = load_target(point.value)
                self._check_hooks(module)
            except KeyboardInterrupt as error:
                error.args = (f"during the import of plugin `{self.name}`",)
                raise
            except PLUGIN_FAILURES as error:
                self.record(f"import of `{point.value}`", error)
            else:
                yield module

    def _check_hooks(self, module: object) -> None:
        """A misspelt or unmarked hook would never be called: that is recorded, not passed over."""
        for name, value in vars(module).items():
            if not name.startswith("torchx_") or not callable(value):
                continue
            marked = impl_options(value) is not None
            if marked and name not in _HOOKS:
                error = PluginApiError("there is no such hook", hint=nearest(name, _HOOKS))
                self.record(f"hook `{name}`", error)
            elif not marked and name in _HOOKS:
                self.record(f"hook `{name}`", PluginApiError("it is not marked with @hookimpl, so it is not called"))

    def hooks(self) -> tuple[str, ...]:
        """The names of the hooks that its modules implement."""
        return tuple(
            name
            for module in self.modules()
            for name, value in vars(module).items()
            if name.startswith("torchx_") and impl_options(value) is not None
        )

    def descriptors(self, kind: PluginType) -> list[Descriptor]:
        """The plugins of one kind that it describes; what fails or is not supported is recorded and left out."""
        if kind not in self._described:
            self._described[kind] = []
            if not self.disabled:
                self._described[kind].extend(self._describe(kind))
        return self._described[kind]

    def _describe(self, kind: PluginType) -> Iterator[Descriptor]:
        for module in self.modules():
            yield from self._call(module, kind)
        for point in self.entry_points:
            if point.group == kind.group:
                yield describe(kind, point.name, point.value)

    def _call(self, module: object, kind: PluginType) -> Iterator[Descriptor]:
        hook = getattr(module, kind.hook, None)
        if hook is None or impl_options(hook) is None:
            return
        what = f"hook `{kind.hook}`"
        try:
            described = list(hook() or ())
        except PLUGIN_FAILURES as error:
            self.record(what, error, kind)
            return
        for item in described:
            problem = _contract_breach(item, kind)
            if problem is None:
                yield item
            else:
                name = getattr(item, "name", None)
                self.record(f"{kind.label} `{name}`" if name else what, problem, kind)

    def failure(self, problem: PluginProblem) -> PluginLoadError:
        """The error for the one who asks for what the problem has made unavailable."""
        if isinstance(problem.cause, PluginApiError) and problem.cause.hint:
            fix = problem.cause.hint
        elif isinstance(problem.cause, ModuleNotFoundError) and problem.cause.name:
            fix = f"install what it needs (`{problem.cause.name}`), upgrade or remove `{self.name}`"
        else:
            fix = f"upgrade, repair or remove `{self.name}`"
        hint = f"{fix}; TORCHX_DISABLE_PLUGINS={self.name} switches it off"
        error = PluginLoadError(
            f"plugin `{self.title}` does not work: {problem}", dist=self.name, version=self.version, hint=hint
        )
        error.__cause__ = problem.cause
        return error


def _contract_breach(item: Any, kind: PluginType) -> PluginApiError | None:
    expected = DESCRIPTORS[kind]
    if not isinstance(item, expected):
        return PluginApiError(f"`{kind.hook}` returned {item!r} where a {expected.__name__} is expected")
    if item.api_version != API_VERSION:
        newer = isinstance(item.api_version, int) and item.api_version > API_VERSION
        return PluginApiError(
            f"it is written for plugin API {item.api_version}, this torchx-core has plugin API {API_VERSION}",
            hint="upgrade torchx-core" if newer else "upgrade the plugin",
        )
    if not isinstance(item.name, str) or not isinstance(item.target, str) or not item.target:
        return PluginApiError(f"{item!r} needs a name and a target that are text")
    if not item.name and kind is not PluginType.COMPONENT:
        return PluginApiError(f"{item!r} has no name")
    # The name of a table of named resources is a label: nobody types it.
    if item.name and not getattr(item, "table", "") and not is_plugin_name(item.name):
        return PluginApiError(f"{item.name!r} cannot be the name of a {kind.label}", hint=NAME_HINT)
    return None
