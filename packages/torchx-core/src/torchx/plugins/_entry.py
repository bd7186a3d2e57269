"""One plugin under one name, not loaded until somebody asks."""

from __future__ import annotations

from torchx.plugins._providers import PLUGIN_FAILURES, Provider
from torchx.plugins.errors import DuplicatePluginError, PluginApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from torchx.errors import TorchXError
    from torchx.plugins.descriptors import Descriptor, PluginType
    from torchx.plugins.errors import PluginLoadError

UNSET = object()
"""Stands for the object of an entry that has not been loaded."""


class PluginEntry:
    """A plugin that can be asked for by name.

    Attributes:
        name: the name under which it is asked for.
        kind: its kind.
        descriptor: how it describes itself.
        provider: who brings it.
        rivals: all entries of this name, this one included, where no setting says which of them serves it; else empty.
        unread: why the settings that may say so could not be read, if that is why.
    """

    __slots__ = ("_object", "descriptor", "kind", "name", "provider", "rivals", "unread")

    def __init__(self, name: str, descriptor: Descriptor, provider: Provider, *, loaded: object = UNSET) -> None:
        self.name = name
        self.kind: PluginType = descriptor.kind
        self.descriptor = descriptor
        self.provider = provider
        self.rivals: tuple[PluginEntry, ...] = ()
        self.unread: TorchXError | None = None
        self._object = loaded

    def __repr__(self) -> str:
        return f"PluginEntry({self.kind.label} {self.name!r} of {self.provider.title}: {self.descriptor.target})"

    @property
    def summary(self) -> str:
        """One line for listings, ``""`` if the plugin gives none."""
        return " ".join(self.descriptor.summary.split())

    @property
    def dist(self) -> str:
        """The distribution that brings it, or the module whose decorator did."""
        return self.provider.name

    @property
    def version(self) -> str:
        """The version of the distribution, ``""`` where none is known."""
        return self.provider.version

    @property
    def is_builtin(self) -> bool:
        """Whether it is part of ``torchx-core``."""
        return self.provider.source == "built-in"

    def load(self) -> object:
        """The object that the plugin's descriptor refers to, imported on first use.

        Raises:
            DuplicatePluginError: several plugins have this name.
            PluginLoadError: the plugin's code fails; the cause is the ``__cause__``.
        """
        if self.rivals:
            raise self.ambiguous()
        if self._object is UNSET:
            from torchx.plugins._loading import load_target

            try:
                self._object = load_target(self.descriptor.target)
            except PLUGIN_FAILURES as error:
                raise self._failure(error) from error
        return self._object

    def make(self, base: type[Any]) -> Any:
        """What the class that the plugin's descriptor refers to makes when it is called without arguments.

        Args:
            base: the class that it must be a subclass of.

        Raises:
            DuplicatePluginError: several plugins have this name.
            PluginLoadError: the plugin's code fails, or makes something else.
        """
        loaded: Any = self.load()
        try:
            made = loaded()
            if not isinstance(made, base):
                raise PluginApiError(f"it makes a {type(made).__name__}, not a {base.__name__}")
        except PLUGIN_FAILURES as error:
            raise self._failure(error) from error
        return made

    def _failure(self, error: BaseException) -> PluginLoadError:
        what = f"{self.kind.label} `{self.name}` (`{self.descriptor.target}`)"
        return self.provider.failure(self.provider.record(what, error, self.kind))

    def ambiguous(self) -> TorchXError:
        """The error for the one who asks for a name that several plugins provide and no setting decides."""
        providers = [entry.provider.name for entry in self.rivals]
        listed = ", ".join(f"`{entry.provider.title}` ({entry.descriptor.target})" for entry in self.rivals)
        if self.unread is not None:
            return self.unread
        if len(set(providers)) > 1:
            hint = f"say which one serves it in .torchxconfig: [plugins] {self.name} = {providers[0]}"
        else:
            hint = (
                f"`{providers[0]}` describes the name twice; upgrade it, or switch it off with TORCHX_DISABLE_PLUGINS"
            )
        return DuplicatePluginError(
            f"{self.kind.label} `{self.name}` is provided by several plugins: {listed}",
            name=self.name,
            providers=providers,
            hint=hint,
        )
