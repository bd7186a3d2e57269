"""What a plugin tells about itself: frozen descriptions that refer to code by name, so that listing imports none.

Code is named as ``"package.module:attribute"`` (attributes may be dotted) and is imported when it is first used.
"""

from __future__ import annotations

from enum import Enum

from torchx.util.light_dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

API_VERSION = 1
"""The version of the descriptors and hooks of this release. A plugin that states another one is refused by name."""

NAME_HINT = "use letters, digits, `_`, `-` and `.`"


class PluginType(str, Enum):
    """The kinds of plugins. The value is also the name of the manager's method that lists them."""

    SCHEDULER = "schedulers"
    WORKSPACE = "workspaces"
    TRACKER = "trackers"
    NAMED_RESOURCE = "named_resources"
    COMPONENT = "components"
    COMMAND = "cli_commands"
    EVENT_HANDLER = "event_handlers"

    @property
    def label(self) -> str:
        """The kind in words, for messages: ``"scheduler"``, ``"named resource"``, ..."""
        return self.name.lower().replace("_", " ")

    @property
    def hook(self) -> str:
        """The name of the hook that returns plugins of this kind."""
        return f"torchx_{self.value}"

    @property
    def group(self) -> str | None:
        """The entry-point group of this kind alone, None where there is none."""
        return _GROUPS.get(self.value)


_GROUPS = {
    "schedulers": "torchx.schedulers",
    "named_resources": "torchx.named_resources",
    "components": "torchx.components",
    "trackers": "torchx.tracker",
    "cli_commands": "torchx.cli.cmds",
    "event_handlers": "torchx.event_handlers",
}


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What every description has.

    Attributes:
        name: the name under which users ask for the plugin.
        summary: one line for listings.
        api_version: the version of this contract that the plugin was written for.
    """

    name: str
    summary: str = ""
    api_version: int = API_VERSION

    kind: ClassVar[PluginType]

    @property
    def target(self) -> str:
        """The code that it refers to, ``"package.module:attribute"`` or ``"package.module"``."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class SchedulerPlugin(Descriptor):
    """A backend that runs jobs.

    Attributes:
        factory: a function ``(session_name: str, **kwargs) -> Scheduler``.
    """

    factory: str

    kind: ClassVar[PluginType] = PluginType.SCHEDULER

    @property
    def target(self) -> str:
        return self.factory


@dataclass(frozen=True, kw_only=True)
class WorkspacePlugin(Descriptor):
    """A way to bring a local folder into the image of a role.

    Attributes:
        builder: a subclass of ``torchx.workspace.WorkspaceMixin``.
    """

    builder: str

    kind: ClassVar[PluginType] = PluginType.WORKSPACE

    @property
    def target(self) -> str:
        return self.builder


@dataclass(frozen=True, kw_only=True)
class TrackerPlugin(Descriptor):
    """A store of experiment metadata and artifacts.

    Attributes:
        factory: a function ``(config: str | None) -> TrackerBase``.
    """

    factory: str

    kind: ClassVar[PluginType] = PluginType.TRACKER

    @property
    def target(self) -> str:
        return self.factory


@dataclass(frozen=True, kw_only=True)
class NamedResourcePlugin(Descriptor):
    """One named resource, or a whole table of them; exactly one of the two is given.

    Attributes:
        factory: a function ``() -> Resource`` that makes the resource called ``name``.
        table: a mapping of names to such functions; ``name`` then only labels the table.
    """

    factory: str = ""
    table: str = ""

    kind: ClassVar[PluginType] = PluginType.NAMED_RESOURCE

    def __post_init__(self) -> None:
        if bool(self.factory) == bool(self.table):
            raise ValueError(f"NamedResourcePlugin {self.name!r} needs exactly one of `factory` and `table`")

    @property
    def target(self) -> str:
        return self.factory or self.table


@dataclass(frozen=True, kw_only=True)
class ComponentsPlugin(Descriptor):
    """A module (or package) of component functions, or a single component function.

    Attributes:
        name: what stands before the components' names, ``"dist"`` in ``dist.ddp``. An empty name, or ``_`` and a
            number, adds them without a prefix. For a single function it is the component's whole name.
        module: ``"package.module"``, or ``"package.module:function"`` for a single component.
    """

    module: str

    kind: ClassVar[PluginType] = PluginType.COMPONENT

    @property
    def target(self) -> str:
        return self.module

    @property
    def is_function(self) -> bool:
        """Whether it is one component function; loading it then gives the function, not a module."""
        return ":" in self.module

    @property
    def prefix(self) -> str:
        """What stands before the component names of the module, ``""`` for nothing."""
        return "" if is_unprefixed(self.name) else self.name


def is_unprefixed(name: str) -> bool:
    """Whether a group of components called ``name`` (``""``, ``_0``, ``_1``, ...) adds them without a prefix."""
    return not name or (name[0] == "_" and name[1:].isdigit())


def is_plugin_name(name: object) -> bool:
    """Whether it can be typed as a plugin's name: text, not empty, without white space and ``:``, ``/``, ``,``."""
    return isinstance(name, str) and bool(name) and not any(c.isspace() or c in ":/," for c in name)


@dataclass(frozen=True, kw_only=True)
class CommandPlugin(Descriptor):
    """A sub-command of ``torchx``. Its summary is what ``torchx --help`` shows, without importing the command.

    Attributes:
        command: a subclass of ``torchx.cli.cmd_base.SubCommand`` that is constructed without arguments.
    """

    command: str

    kind: ClassVar[PluginType] = PluginType.COMMAND

    @property
    def target(self) -> str:
        return self.command


@dataclass(frozen=True, kw_only=True)
class EventHandlerPlugin(Descriptor):
    """A destination of the records that the runner writes, one for each of its calls.

    Attributes:
        handler: a ``logging.Handler``, or a function without arguments that returns one.
    """

    handler: str

    kind: ClassVar[PluginType] = PluginType.EVENT_HANDLER

    @property
    def target(self) -> str:
        return self.handler


DESCRIPTORS: dict[PluginType, type[Descriptor]] = {
    cls.kind: cls
    for cls in (
        SchedulerPlugin,
        WorkspacePlugin,
        TrackerPlugin,
        NamedResourcePlugin,
        ComponentsPlugin,
        CommandPlugin,
        EventHandlerPlugin,
    )
}
"""The description that each kind's hook returns."""


def describe(kind: PluginType, name: str, target: str, summary: str = "") -> Descriptor:
    """Describes the code ``target`` as a plugin of the given kind, as an entry point or a decorator does."""
    if kind is PluginType.SCHEDULER:
        return SchedulerPlugin(name=name, factory=target, summary=summary)
    if kind is PluginType.WORKSPACE:
        return WorkspacePlugin(name=name, builder=target, summary=summary)
    if kind is PluginType.TRACKER:
        return TrackerPlugin(name=name, factory=target, summary=summary)
    if kind is PluginType.NAMED_RESOURCE:
        return NamedResourcePlugin(name=name, factory=target, summary=summary)
    if kind is PluginType.COMPONENT:
        return ComponentsPlugin(name=name, module=target, summary=summary)
    if kind is PluginType.COMMAND:
        return CommandPlugin(name=name, command=target, summary=summary)
    return EventHandlerPlugin(name=name, handler=target, summary=summary)
