"""Names in configuration files that mean nothing here: a misspelt section would be ignored in silence.

A file may be shared by machines on which other backends are installed, so that such a name is told, not refused. Only
what is known anyway is asked: the tables of plugins' names; nothing is loaded to find out.
"""

from __future__ import annotations

from torchx.errors import nearest
from torchx.runner.config import COMPONENT_PREFIX, CONFIG_PREFIX_DELIM
from torchx.util.configfile import SECTION_FAMILIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchx.plugins.manager import PluginManager
    from torchx.util.configfile import ConfigFile

    Problem = tuple[str, "str | None", str, "str | None"]
    """Section, key, what is wrong, hint."""

CONFIGURED_COMMANDS = ("run", "list")
"""The built-in commands that take defaults from ``[cli:<command>]``."""

_WHOLE_SECTIONS = ("cli:run", "cli:list", "torchx:tracker", "plugins")

_NAMES_AT_HAND = ("schedulers", "workspaces", "trackers", "cli_commands", "event_handlers")
"""The kinds of plugins whose names are known without loading any."""

_told: set[tuple[str, str]] = set()


def tell_unknown(file: ConfigFile) -> None:
    """Logs a warning, once a process, for each name in a file that means nothing here."""
    from torchx.plugins.manager import get_plugin_manager

    for section, key, problem, hint in _unknown_names(file, get_plugin_manager()):
        told = (file.path, f"{section} {key}")
        if told not in _told:
            _told.add(told)
            import logging

            text = f"{file.path}:{file.line_of(section, key)}: {problem}"
            logging.getLogger("torchx.runner.config").warning("%s", f"{text} ({hint})" if hint else text)


def _unknown_names(file: ConfigFile, manager: PluginManager) -> Iterator[Problem]:
    for section in file.sections:
        family, colon, name = section.partition(CONFIG_PREFIX_DELIM)
        if section == "plugins":
            yield from _plugins(file, manager)
        elif not colon:
            yield from _scheduler(section, manager)
        elif family == "cli":
            yield from _command(section, name, manager)
        elif family == "tracker":
            yield from _tracker(file, section, name, manager)
        elif section == "torchx:tracker":
            yield from _tracker_names(file, section, manager)
        elif family == COMPONENT_PREFIX:
            from torchx.runner._config_components import component_problem

            problem = component_problem(name)
            if problem is not None:
                yield section, None, *problem
        else:
            known = _WHOLE_SECTIONS if family == "torchx" else [f"{known}:{name}" for known in SECTION_FAMILIES]
            yield section, None, f"[{section}] is ignored: there is no such section", nearest(section, known)


def _scheduler(section: str, manager: PluginManager) -> Iterator[Problem]:
    from torchx.plugins._missing import official_schedulers

    known = {*manager.schedulers(), *official_schedulers()}
    if section in known:
        return
    if section in SECTION_FAMILIES:
        hint: str | None = f"write [{section}:NAME]"
    else:
        hint = nearest(section, [*known, *_WHOLE_SECTIONS])
    if hint is not None or manager.is_whole():
        yield section, None, f"[{section}] is ignored: there is no such scheduler, nor another section", hint


def _command(section: str, name: str, manager: PluginManager) -> Iterator[Problem]:
    commands = manager.cli_commands()
    if name in CONFIGURED_COMMANDS:
        return
    if name not in commands:
        hint = nearest(name, [*CONFIGURED_COMMANDS, *(c for c, entry in commands.items() if not entry.is_builtin)])
        if hint is not None or manager.is_whole():
            yield section, None, f"[{section}] is ignored: there is no command `{name}`", hint
    elif commands[name].is_builtin:
        hint = f"those that do are {' and '.join(CONFIGURED_COMMANDS)}"
        yield section, None, f"[{section}] is ignored: `torchx {name}` takes no settings", hint


def _tracker(file: ConfigFile, section: str, name: str, manager: PluginManager) -> Iterator[Problem]:
    known = {*manager.trackers(), *file.sections.get("torchx:tracker", {})}
    if name not in known:
        hint = nearest(name, known)
        if hint is not None or manager.is_whole():
            yield section, None, f"[{section}] is ignored: there is no tracker `{name}`", hint
        return
    for key in file.sections[section]:
        if key != "config":
            yield section, key, f"`{key}` is ignored: a tracker has no such setting", "write `config = ...`"


def _tracker_names(file: ConfigFile, section: str, manager: PluginManager) -> Iterator[Problem]:
    known = manager.trackers()
    for name in file.sections[section]:
        if name not in known:
            hint = nearest(name, known)
            if hint is not None or manager.is_whole():
                yield section, name, f"the tracker `{name}` is not installed here; the job's image must have it", hint


def _plugins(file: ConfigFile, manager: PluginManager) -> Iterator[Problem]:
    from torchx.plugins._entry_points import normalize
    from torchx.plugins._missing import official_distributions

    providers = {normalize(name): name for name in (*manager.provider_names(), *official_distributions())}
    for key, value in file.sections["plugins"].items():
        kind, dot, rest = key.partition(".")
        kinds = [kind] if dot and kind in _NAMES_AT_HAND else _NAMES_AT_HAND
        known = {name for each in kinds for name in manager.entries(each)}
        name = rest if len(kinds) == 1 else key
        hint = nearest(name, known) if name not in known else None
        if hint:  # what is not near any may be a component or a named resource
            yield "plugins", key, f"`{key}` is ignored: no plugin is called `{name}`", hint
        if normalize(str(value)) not in providers:
            hint = nearest(str(value), providers.values()) or "`torchx plugins` lists those that are"
            yield "plugins", key, f"`{key} = {value}` is ignored: no distribution of that name brings plugins", hint
