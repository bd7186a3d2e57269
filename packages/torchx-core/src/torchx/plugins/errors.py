"""What can go wrong with a plugin. All of these derive from :class:`torchx.errors.TorchXError`."""

from __future__ import annotations

from torchx.errors import TorchXError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class PluginLoadError(TorchXError):
    """A plugin that was asked for exists but does not work: it fails at import, in a hook or at load.

    The exception that it raised is the ``__cause__``.

    Attributes:
        dist: the distribution (or module) that provides the plugin.
        version: its version, ``""`` where none is known.
    """

    def __init__(self, message: str = "", *, dist: str = "", version: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.dist = dist
        self.version = version


class UnknownPluginError(UsageError, KeyError):
    """No installed plugin has the name that was asked for; the hint names the nearest ones.

    Attributes:
        name: the name that was asked for.
        known: the valid names, sorted.
        fix: what brings a plugin of the name, such as a command that installs it; None where nothing is known to.
    """

    def __init__(
        self,
        message: str = "",
        *,
        name: str = "",
        known: Sequence[str] = (),
        hint: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint or fix)
        self.name = name
        self.known = tuple(known)
        self.fix = fix


class DuplicatePluginError(UsageError):
    """Several plugins have the name that was asked for, and no setting says which one serves it.

    Attributes:
        name: the name that was asked for.
        providers: the distributions (or modules) that provide it.
    """

    def __init__(
        self, message: str = "", *, name: str = "", providers: Sequence[str] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.name = name
        self.providers = tuple(providers)


class PluginApiError(TorchXError):
    """A plugin breaks the contract: an unknown hook, a wrong result, or an API version that is not supported."""


class RegistrationError(UsageError, ValueError):
    """A ``@register`` decorator was misused: a bad name, a bad target, or a name that is already taken."""
